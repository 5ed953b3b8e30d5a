// SPDX-License-Identifier: Apache-2.0
// Frames on disk. Plain file descriptors: a forked child, or exit(), flushes nothing of ours.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "trireme/record/stream/format.h"

namespace trireme::record::stream {

class FrameWriter {
 public:
  // Creates or overwrites the file. Throws trireme::Error, also when another process is recording
  // to it.
  explicit FrameWriter(const std::string& path);
  ~FrameWriter();
  FrameWriter(const FrameWriter&) = delete;
  FrameWriter& operator=(const FrameWriter&) = delete;

  // Errors do not throw, since calls are being recorded: they are kept in `error` and end the
  // writing.
  void write(std::span<const uint8_t> contents) noexcept;
  void flush() noexcept;

  const std::string& error() const { return error_; }
  const std::string& path() const { return path_; }
  uint64_t bytes() const { return bytes_; }

 private:
  void put(const void* data, size_t size) noexcept;
  void write_out(const uint8_t* data, size_t size) noexcept;

  std::string path_;
  int file_ = -1;
  uint64_t index_ = 0;
  uint64_t bytes_ = 0;
  std::vector<uint8_t> buffer_;
  size_t used_ = 0;
  std::string error_;
};

class FrameReader {
 public:
  // Throws trireme::Error when the file cannot be opened, is no recording, or is of another
  // version.
  explicit FrameReader(const std::string& path);
  ~FrameReader();
  FrameReader(const FrameReader&) = delete;
  FrameReader& operator=(const FrameReader&) = delete;

  enum class Next : uint8_t { Frame, Cut };  // Cut: the file ends here, at or inside a frame

  // Reads the next frame into `contents` (whose memory is aligned for FlatBuffers). Throws
  // trireme::Error when it is damaged.
  Next next(std::vector<uint8_t>& contents);

  const std::string& path() const { return path_; }
  uint64_t frame_offset() const { return frame_offset_; }  // of the last frame read
  uint64_t remaining() const { return size_ - offset_; }

 private:
  // False when the file ends before.
  bool get(void* data, size_t size);

  std::string path_;
  int file_ = -1;
  uint64_t size_ = 0;
  uint64_t offset_ = 0;
  uint64_t frame_offset_ = 0;
  uint64_t index_ = 0;
  std::vector<uint8_t> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace trireme::record::stream
