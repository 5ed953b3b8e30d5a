// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/code/messages.h"

#include <flatbuffers/flatbuffers.h>
#include <sys/socket.h>

#include <cerrno>

#include "kernels_generated.h"

namespace trireme::compile {
namespace {

constexpr uint64_t kMostBytes = uint64_t{1} << 31U;

std::vector<uint8_t> taken(const flatbuffers::FlatBufferBuilder& builder) {
  return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
}

template <class Table>
const Table* verified(std::span<const uint8_t> bytes) {
  flatbuffers::Verifier verifier(bytes.data(), bytes.size());
  if (!verifier.VerifyBuffer<Table>(nullptr)) return nullptr;
  return flatbuffers::GetRoot<Table>(bytes.data());
}

bool send_all(int socket, const uint8_t* from, size_t bytes) {
  while (bytes != 0) {
    const ssize_t sent = ::send(socket, from, bytes, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    from += sent;
    bytes -= static_cast<size_t>(sent);
  }
  return true;
}

bool receive_all(int socket, uint8_t* to, size_t bytes) {
  while (bytes != 0) {
    const ssize_t got = ::recv(socket, to, bytes, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to += got;
    bytes -= static_cast<size_t>(got);
  }
  return true;
}

}  // namespace

std::string name_of_step(uint32_t step) { return "k" + std::to_string(step); }

std::vector<uint8_t> encode(const KernelRequest& request) {
  flatbuffers::FlatBufferBuilder builder(request.graph.size() + 4096);
  std::vector<flatbuffers::Offset<message::External>> externals;
  for (const External& one : request.externals) {
    externals.push_back(message::CreateExternalDirect(builder, one.name.c_str(), one.address));
  }
  const auto graph = builder.CreateString(request.graph);
  const auto steps = builder.CreateVector(request.steps);
  const auto all = builder.CreateVector(externals);
  builder.Finish(message::CreateRequest(builder, graph, request.fuses, steps, request.base, all));
  return taken(builder);
}

std::vector<uint8_t> encode(const KernelReply& reply) {
  flatbuffers::FlatBufferBuilder builder(reply.image.bytes.size() + 4096);
  const auto processor_ns = static_cast<uint64_t>(reply.processor_time.count());
  if (!reply.error.empty()) {
    const auto error = builder.CreateString(reply.error);
    builder.Finish(message::CreateReply(builder, error, 0, 0, 0, processor_ns));
    return taken(builder);
  }
  std::vector<flatbuffers::Offset<message::Entry>> entries;
  for (const auto& [name, offset] : reply.image.entries) {
    entries.push_back(message::CreateEntryDirect(builder, name.c_str(), offset));
  }
  const auto bytes = builder.CreateVector(
      reinterpret_cast<const uint8_t*>(reply.image.bytes.data()), reply.image.bytes.size());
  const auto all = builder.CreateVector(entries);
  builder.Finish(
      message::CreateReply(builder, 0, bytes, reply.image.code_bytes, all, processor_ns));
  return taken(builder);
}

std::optional<KernelRequest> decode_request(std::span<const uint8_t> bytes) {
  const auto* from = verified<message::Request>(bytes);
  if (from == nullptr) return std::nullopt;
  KernelRequest request;
  request.graph = from->graph()->str();
  request.steps.assign(from->steps()->begin(), from->steps()->end());
  request.fuses = from->fuses();
  request.base = from->base();
  for (const auto* one : *from->externals()) {
    request.externals.push_back({one->name()->str(), one->address()});
  }
  return request;
}

std::optional<KernelReply> decode_reply(std::span<const uint8_t> bytes) {
  const auto* from = verified<message::Reply>(bytes);
  if (from == nullptr) return std::nullopt;
  KernelReply reply;
  reply.processor_time =
      std::chrono::nanoseconds(static_cast<std::chrono::nanoseconds::rep>(from->processor_ns()));
  if (from->error() != nullptr) {
    reply.error = from->error()->str();
    return reply;
  }
  if (from->bytes() == nullptr || from->entries() == nullptr) return std::nullopt;
  const auto* begin = reinterpret_cast<const std::byte*>(from->bytes()->data());
  reply.image.bytes.assign(begin, begin + from->bytes()->size());
  reply.image.code_bytes = from->code_bytes();
  for (const auto* one : *from->entries()) {
    reply.image.entries.emplace_back(one->name()->str(), one->offset());
  }
  return reply;
}

bool send_message(int socket, std::span<const uint8_t> message) {
  const uint64_t length = message.size();
  return send_all(socket, reinterpret_cast<const uint8_t*>(&length), sizeof(length)) &&
         send_all(socket, message.data(), message.size());
}

std::optional<std::vector<uint8_t>> receive_message(int socket) {
  uint64_t length = 0;
  if (!receive_all(socket, reinterpret_cast<uint8_t*>(&length), sizeof(length))) {
    return std::nullopt;
  }
  if (length > kMostBytes) return std::nullopt;
  std::vector<uint8_t> message(length);
  if (!receive_all(socket, message.data(), message.size())) return std::nullopt;
  return message;
}

}  // namespace trireme::compile
