// SPDX-License-Identifier: Apache-2.0
// Messages between the program's process and the one that compiles kernels, over a socket: eight
// bytes of length, then a FlatBuffer (kernels.fbs).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "trireme/compile/code/code.h"
#include "trireme/compile/code/externals.h"

namespace trireme::compile {

struct KernelRequest {
  std::string graph;  // as text
  bool fuses = true;
  std::vector<uint32_t> steps;  // of form_clusters(graph, fuses): those whose kernels are wanted
  uint64_t base = 0;
  std::vector<External> externals;
};

// The image's entries are named by name_of_step; or why there is none.
struct KernelReply {
  std::string error;  // empty: none
  Image image;
  std::chrono::nanoseconds processor_time{};  // that it took
};

std::string name_of_step(uint32_t step);

std::vector<uint8_t> encode(const KernelRequest& request);
std::vector<uint8_t> encode(const KernelReply& reply);
// None where the bytes are damaged.
std::optional<KernelRequest> decode_request(std::span<const uint8_t> bytes);
std::optional<KernelReply> decode_reply(std::span<const uint8_t> bytes);

// Whether all was sent. No signal is raised when the other end is gone.
bool send_message(int socket, std::span<const uint8_t> message);
// None: the other end is gone, or says nonsense.
std::optional<std::vector<uint8_t>> receive_message(int socket);

}  // namespace trireme::compile
