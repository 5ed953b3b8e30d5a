// SPDX-License-Identifier: Apache-2.0
// Damaged and hostile recordings: each is a clear error or a report, never a crash. Checksums are
// put right after each mutation, so that the layers behind them are reached: FlatBuffers' verifier,
// the reader's checks, the kernels.
#include <ATen/ATen.h>
#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "stream_support.h"
#include "trireme/base/errors.h"
#include "trireme/record/device_tensor.h"
#include "trireme/record/recorder.h"
#include "trireme/record/stream/format.h"
#include "trireme/record/stream/recording.h"
#include "trireme/record/transcript.h"
#include "trireme/run/alloc/host_allocator.h"
#include "trireme/run/executor.h"
#include "trireme/run/reference_executor.h"
#include "trireme/run/replay.h"

namespace trireme::run {
namespace {

namespace fs = std::filesystem;
using record::stream::kFrameHeader;
using Bytes = std::vector<uint8_t>;

constexpr size_t kStart = 12;  // magic and version

using testing::Program;

void run_program(Program& program) {
  const at::AutoDispatchBelowADInplaceOrView below;
  const at::Tensor a = program.enter(at::arange(12, at::kFloat).reshape({3, 4}));
  const at::Tensor b = program.enter(at::ones({4, 2}));
  const at::Tensor large = program.enter(at::arange(20000, at::kLong));
  for (int step = 0; step < 3; ++step) {
    const at::Tensor product = program.call("aten::mm", "", {a, b});
    const at::Tensor sum = program.call("aten::add", "Tensor", {product, product, 0.5 * step});
    program.call("aten::uniform_", "", {sum, 0.0, 1.0, c10::IValue()});
    const at::Tensor both =
        program.call("aten::cat", "", {c10::List<at::Tensor>({product, sum}), 1});
    program.call("aten::copy_", "", {b, at::full({4, 2}, 0.25 * step), false});
    const at::Tensor reduced = program.call("aten::sum", "dim_IntList",
                                            {both, c10::List<int64_t>({0}), false, c10::IValue()});
    const at::Tensor found = program.call("aten::nonzero", "", {both});
    const at::Tensor full =
        program.call("aten::full", "",
                     {c10::List<int64_t>({2, 3}), 1.5, static_cast<int64_t>(at::kFloat), 0,
                      c10::Device(c10::DeviceType::CPU), false});
    program.call("aten::mul_", "Tensor",
                 {record::make_device_tensor(a.storage(),
                                             record::geometry_of(*full.unsafeGetTensorImpl()), 4),
                  full});
    program.call("aten::equal", "", {a, a});
    program.read(reduced);
    program.read(found);
    program.read(record::make_device_tensor(
        both.storage(),
        record::geometry_of(*at::empty_strided({2, 3}, {1, 4}).unsafeGetTensorImpl()), 0));
  }
  program.read(program.call("aten::cumsum", "", {large, 0, c10::IValue()}));
  try {
    program.read(program.call("aten::embedding", "",
                              {a, program.enter(at::full({1}, 99, at::kLong)), -1, false, false}));
  } catch (const c10::Error&) {
  }
}

Bytes load(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void store(const fs::path& path, const Bytes& bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
}

// Place and length of each frame's contents.
std::vector<std::pair<size_t, uint32_t>> frames(const Bytes& bytes) {
  std::vector<std::pair<size_t, uint32_t>> found;
  for (size_t at = kStart; at + kFrameHeader <= bytes.size();) {
    uint32_t length = 0;
    std::memcpy(&length, bytes.data() + at, sizeof(length));
    found.emplace_back(at + kFrameHeader, length);
    at += kFrameHeader + length;
  }
  return found;
}

void fix_checksums(Bytes& bytes) {
  uint64_t index = 0;
  for (const auto& [at, length] : frames(bytes)) {
    const uint32_t checksum = record::stream::frame_checksum(index++, {bytes.data() + at, length});
    std::memcpy(bytes.data() + at - 4, &checksum, sizeof(checksum));
  }
}

class StreamFuzz : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = fs::temp_directory_path() / ("trireme_fuzz_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
    const fs::path path = folder_ / "recorded";
    Program program;
    run_program(program);  // so that the recording has forms that are known already
    record::start_recording(path);
    run_program(program);
    record::stop_recording();
    stop_executor(false);
    recorded_ = load(path);
    HostAllocator::instance().set_limit(size_t{256} << 20U);
  }
  static void TearDownTestSuite() { fs::remove_all(folder_); }

  // What a file leads to: "equal", "different", or the error without the place.
  static std::string outcome(const Bytes& bytes) {
    const fs::path path = folder_ / "mutated";
    store(path, bytes);
    try {
      const ReplayResult result = replay(path, {.partial = true});
      return result.mismatch_count > 0 ? "different" : "equal";
    } catch (const Error& error) {
      const std::string text = error.what();
      EXPECT_NE(text.find(path.string()), std::string::npos) << text;
      const size_t colon = text.find("): ");
      return colon == std::string::npos ? text.substr(0, 40) : text.substr(colon + 3, 30);
    } catch (const std::exception& error) {
      ADD_FAILURE() << "not a trireme::Error: " << error.what();
      return "another exception";
    }
  }

  static int rounds(int most) {
    const char* wanted = std::getenv("TRIREME_FUZZ_ROUNDS");
    return wanted == nullptr ? most : std::atoi(wanted);
  }

  static inline fs::path folder_;
  static inline Bytes recorded_;
};

TEST_F(StreamFuzz, UnchangedIsEqual) {
  store(folder_ / "same", recorded_);
  const ReplayResult result = replay(folder_ / "same");
  EXPECT_EQ(result.mismatch_count, 0);
  for (const Mismatch& item : result.mismatches) ADD_FAILURE() << item.op << ": " << item.what;
  EXPECT_TRUE(result.complete);
  EXPECT_GE(result.reads, 13U);
  EXPECT_EQ(result.failed_calls, 1U);
  Bytes again = recorded_;
  fix_checksums(again);
  EXPECT_EQ(again, recorded_);
}

TEST_F(StreamFuzz, DamageIsNoticedByChecksums) {
  std::mt19937_64 chance(1);
  for (int i = 0; i < rounds(2000); ++i) {
    Bytes bytes = recorded_;
    bytes[chance() % bytes.size()] ^= static_cast<uint8_t>(1U << (chance() % 8));
    store(folder_ / "mutated", bytes);
    EXPECT_THROW(replay(folder_ / "mutated"), Error);
  }
}

TEST_F(StreamFuzz, CutFilesEndEarly) {
  for (size_t length = 0; length < recorded_.size(); length += 97) {
    const Bytes bytes(recorded_.begin(), recorded_.begin() + static_cast<std::ptrdiff_t>(length));
    store(folder_ / "mutated", bytes);
    EXPECT_THROW(replay(folder_ / "mutated"), Error);
    if (length >= kStart) {
      EXPECT_EQ(replay(folder_ / "mutated", {.partial = true}).mismatch_count, 0U);
    }
  }
}

TEST_F(StreamFuzz, MutationsBehindTheChecksums) {
  std::mt19937_64 chance(2);
  std::map<std::string, int> outcomes;
  const auto places = frames(recorded_);
  constexpr std::array<int64_t, 10> kValues = {
      0, 1, -1, 2, 7, 63, INT32_MAX, INT64_MAX, INT64_MIN, int64_t{1} << 40U};
  for (int i = 0; i < rounds(6000); ++i) {
    Bytes bytes = recorded_;
    const size_t edits = 1 + chance() % 3;
    for (size_t edit = 0; edit < edits; ++edit) {
      // The data in chunks is of no interest.
      const auto& [start, length] = places[chance() % std::min<size_t>(places.size(), 4)];
      const size_t at = start + chance() % length;
      if (chance() % 2 == 0) {
        bytes[at] ^= static_cast<uint8_t>(1U << (chance() % 8));
        continue;
      }
      const int64_t value = kValues[chance() % kValues.size()];
      const size_t width = size_t{1} << (chance() % 4);
      std::memcpy(bytes.data() + at, &value, std::min(width, start + length - at));
    }
    fix_checksums(bytes);
    ++outcomes[outcome(bytes)];
  }
  for (const auto& [text, count] : outcomes) std::printf("%6d  %s\n", count, text.c_str());
  EXPECT_GT(outcomes.size(), 10U);
}

TEST_F(StreamFuzz, FramesLostDoubledOrMoved) {
  std::mt19937_64 chance(3);
  const auto places = frames(recorded_);
  const auto frame = [&](size_t i) {
    const auto& [at, length] = places[i];
    return Bytes(recorded_.begin() + static_cast<std::ptrdiff_t>(at - kFrameHeader),
                 recorded_.begin() + static_cast<std::ptrdiff_t>(at + length));
  };
  for (int i = 0; i < rounds(300); ++i) {
    std::vector<size_t> order(places.size());
    for (size_t k = 0; k < order.size(); ++k) order[k] = k;
    const size_t one = chance() % order.size();
    const size_t other = chance() % order.size();
    if (i % 3 == 0) {
      order.erase(order.begin() + static_cast<std::ptrdiff_t>(one));
    } else if (i % 3 == 1) {
      order.insert(order.begin() + static_cast<std::ptrdiff_t>(other), one);
    } else {
      std::swap(order[one], order[other]);
    }
    Bytes bytes(recorded_.begin(), recorded_.begin() + kStart);
    for (const size_t k : order) {
      const Bytes part = frame(k);
      bytes.insert(bytes.end(), part.begin(), part.end());
    }
    if (bytes != recorded_) {
      store(folder_ / "mutated", bytes);
      if (i % 3 != 1 || other < places.size()) {
        try {
          replay(folder_ / "mutated");
        } catch (const Error&) {
        }
      }
    }
    fix_checksums(bytes);
    outcome(bytes);
  }
}

TEST_F(StreamFuzz, TheTextOfMutatedFiles) {
  std::mt19937_64 chance(4);
  const auto places = frames(recorded_);
  for (int i = 0; i < rounds(1000); ++i) {
    Bytes bytes = recorded_;
    const auto& [start, length] = places[chance() % std::min<size_t>(places.size(), 4)];
    bytes[start + chance() % length] ^= static_cast<uint8_t>(1U << (chance() % 8));
    fix_checksums(bytes);
    store(folder_ / "mutated", bytes);
    try {
      record::explain_file(folder_ / "mutated", [](std::string_view) {});
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace trireme::run
