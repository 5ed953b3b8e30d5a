// SPDX-License-Identifier: Apache-2.0
#include "trireme/record/stream/frame_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "trireme/base/errors.h"

namespace trireme::record::stream {
namespace {

constexpr size_t kBufferBytes = 1U << 20U;

std::string because() { return std::strerror(errno); }

void put_little(uint8_t* to, uint32_t value) {
  for (int i = 0; i < 4; ++i) to[i] = static_cast<uint8_t>(value >> (8 * i));
}

uint32_t get_little(const uint8_t* from) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value |= static_cast<uint32_t>(from[i]) << (8 * i);
  return value;
}

}  // namespace

uint32_t frame_checksum(uint64_t index, std::span<const uint8_t> contents) {
  std::array<uint8_t, 12> place{};
  put_little(place.data(), static_cast<uint32_t>(index));
  put_little(place.data() + 4, static_cast<uint32_t>(index >> 32U));
  put_little(place.data() + 8, static_cast<uint32_t>(contents.size()));
  const uLong start = ::crc32_z(0, place.data(), place.size());
  return static_cast<uint32_t>(::crc32_z(start, contents.data(), contents.size()));
}

FrameWriter::FrameWriter(const std::string& path) : path_(path), buffer_(kBufferBytes) {
  // Not truncated until it is known that no other process writes to it.
  file_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (file_ < 0) throw Error("cannot record to " + path + ": " + because());
  if (::flock(file_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    ::close(file_);
    throw Error(
        "cannot record to " + path +
        ": another process is recording to it; %p in the name stands for the process's number");
  }
  if (::ftruncate(file_, 0) != 0 && errno != EINVAL) {  // EINVAL: a pipe or device
    const std::string reason = because();
    ::close(file_);
    throw Error("cannot record to " + path + ": " + reason);
  }
  put(kMagic.data(), kMagic.size());
  std::array<uint8_t, 4> version{};
  put_little(version.data(), kFormatVersion);
  put(version.data(), version.size());
}

FrameWriter::~FrameWriter() { ::close(file_); }

void FrameWriter::write(std::span<const uint8_t> contents) noexcept {
  if (!error_.empty()) return;
  std::array<uint8_t, kFrameHeader> header{};
  put_little(header.data(), static_cast<uint32_t>(contents.size()));
  put_little(header.data() + 4, frame_checksum(index_++, contents));
  put(header.data(), header.size());
  put(contents.data(), contents.size());
}

void FrameWriter::flush() noexcept {
  write_out(buffer_.data(), used_);
  used_ = 0;
}

void FrameWriter::put(const void* data, size_t size) noexcept {
  bytes_ += size;
  if (used_ + size > buffer_.size()) flush();
  if (size > buffer_.size()) {
    write_out(static_cast<const uint8_t*>(data), size);
    return;
  }
  if (size == 0) return;
  std::memcpy(buffer_.data() + used_, data, size);
  used_ += size;
}

void FrameWriter::write_out(const uint8_t* data, size_t size) noexcept {
  while (size > 0 && error_.empty()) {
    const ssize_t written = ::write(file_, data, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      error_ = "cannot write to " + path_ + ": " + because() + "; the recording ends here";
      return;
    }
    data += written;
    size -= static_cast<size_t>(written);
  }
}

FrameReader::FrameReader(const std::string& path) : path_(path), buffer_(kBufferBytes) {
  file_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file_ < 0) throw Error("cannot read " + path + ": " + because());
  const auto refuse = [&](const std::string& what) {
    ::close(file_);
    throw Error(path + what);
  };
  struct stat status {};
  if (::fstat(file_, &status) != 0) refuse(": " + because());
  if (!S_ISREG(status.st_mode)) refuse(" is not a file");
  size_ = static_cast<uint64_t>(status.st_size);
  std::array<uint8_t, 12> start{};
  if (!get(start.data(), start.size()) ||
      !std::equal(kMagic.begin(), kMagic.end(), start.begin())) {
    refuse(
        " is not a recording of Trireme (it has not its first bytes); record one with "
        "TRIREME_RECORD=FILE");
  }
  const uint32_t version = get_little(start.data() + 8);
  if (version != kFormatVersion) {
    refuse(" is of format version " + std::to_string(version) + ", this Trireme reads version " +
           std::to_string(kFormatVersion) +
           "; use the Trireme that recorded it, or record it again");
  }
}

FrameReader::~FrameReader() { ::close(file_); }

FrameReader::Next FrameReader::next(std::vector<uint8_t>& contents) {
  frame_offset_ = offset_;
  std::array<uint8_t, kFrameHeader> header{};
  if (remaining() < kFrameHeader || !get(header.data(), header.size())) return Next::Cut;
  const uint32_t length = get_little(header.data());
  const auto damaged = [&] {
    throw Error(path_ + " is damaged at byte " + std::to_string(frame_offset_) +
                " (a frame's checksum is wrong); copy the file again, or record it again");
  };
  if (length == 0 || length > kLargestFrame) damaged();
  if (length > remaining()) return Next::Cut;
  contents.resize(length);
  if (!get(contents.data(), length)) return Next::Cut;
  if (frame_checksum(index_++, contents) != get_little(header.data() + 4)) damaged();
  return Next::Frame;
}

bool FrameReader::get(void* data, size_t size) {
  auto* to = static_cast<uint8_t*>(data);
  while (size > 0) {
    if (begin_ == end_) {
      const ssize_t got = ::read(file_, buffer_.data(), buffer_.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw Error("cannot read " + path_ + ": " + because());
      if (got == 0) return false;
      begin_ = 0;
      end_ = static_cast<size_t>(got);
    }
    const size_t part = std::min(size, end_ - begin_);
    std::memcpy(to, buffer_.data() + begin_, part);
    begin_ += part;
    offset_ += part;
    to += part;
    size -= part;
  }
  return true;
}

}  // namespace trireme::record::stream
