// SPDX-License-Identifier: Apache-2.0
// Verify mode over a compiler with a fault: who is blamed, and what is left to look at.
#include "trireme/run/verify/verifier.h"

#include <ATen/core/LegacyTypeDispatch.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "stream_support.h"
#include "trireme/record/stream/recording.h"
#include "trireme/run/replay.h"

namespace trireme::run {
namespace {

namespace fs = std::filesystem;

// The first output is one more than it should be, unless this switch is off. "": always; "none":
// never.
class FaultyCompiler final : public compile::Compiler {
 public:
  explicit FaultyCompiler(std::string fault) : fault_(std::move(fault)) {}

  std::string refusal(const graph::Graph&, const graph::Node&) const override { return {}; }
  std::vector<std::string> switches() const override { return {"fold", "simplify", "fuse"}; }
  std::unique_ptr<compile::CompiledGraph> compile(
      graph::Graph graph, const compile::CompileOptions& options) const override {
    const bool off = std::ranges::find(options.off, fault_) != options.off.end();
    return std::make_unique<Interpreted>(std::move(graph), fault_ != "none" && !off);
  }

 private:
  class Interpreted final : public compile::CompiledGraph {
   public:
    Interpreted(graph::Graph graph, bool faulty) : graph_(std::move(graph)), faulty_(faulty) {}
    std::vector<compile::RunFailure> run(compile::Surroundings& surroundings,
                                         const compile::RunValues& values) override {
      graph::Inputs inputs;
      for (uint32_t i = 0; i < graph_.inputs.size(); ++i) {
        const graph::Value& value = graph_.values[graph_.inputs[i]];
        inputs.buffers.emplace_back(surroundings.input(i),
                                    *value.count.constant() * graph::size_of(value.dtype));
      }
      inputs.numbers = values.numbers;
      inputs.randoms = values.randoms;
      auto outputs = graph::interpret(graph_, inputs, nullptr);
      for (uint32_t i = 0; i < outputs.size(); ++i) {
        const auto& of_input = graph_.outputs[i].input;
        std::byte* to = of_input ? surroundings.input(*of_input) : surroundings.output(i);
        std::ranges::copy(outputs[i].bytes(), to);
        if (i != 0 || !faulty_) continue;
        float first = 0;
        std::memcpy(&first, to, sizeof(first));
        ++first;
        std::memcpy(to, &first, sizeof(first));
      }
      return {};
    }
    std::string describe() const override { return {}; }

   private:
    graph::Graph graph_;
    bool faulty_;
  };

  std::string fault_;
};

// Keeps the last call.
class Watcher final : public record::Observer {
 public:
  record::Call last;
  void call(const record::Call& call) override { last = call; }
  void outputs(uint64_t, const record::CallForm&,
               std::span<record::VirtualStorage* const>) override {}
  void returned(uint64_t, const record::CallForm&, std::span<const c10::IValue>) override {}
  void failed(uint64_t, const std::string&) override {}
  void released(const record::VirtualStorage&) override {}
  void entered(const record::VirtualStorage&, const record::Geometry&, int64_t, const at::Tensor&,
               record::SiteId) override {}
  void resized(const record::VirtualStorage&, size_t) override {}
  void read(const record::VirtualStorage&, const record::Geometry&, int64_t, const at::Tensor&,
            record::SiteId) override {}
};

class VerifierTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = fs::temp_directory_path() / ("trireme_verifier_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
    testing::Program program;
    record::start_recording(recording());
    {
      const at::AutoDispatchBelowADInplaceOrView below;
      const at::Tensor a = program.enter(at::arange(12, at::kFloat).reshape({3, 4}));
      const at::Tensor b = program.call("aten::mul", "Tensor", {a, a});
      {
        const at::Tensor dropped = program.call("aten::neg", "", {b});
        program.call("aten::add_", "Tensor", {a, dropped, 2.0});
      }
      program.read(a);
      program.read(program.call("aten::sub", "Tensor", {a, b, 1.0}));
    }
    record::stop_recording();
  }
  static void TearDownTestSuite() { fs::remove_all(folder_); }

  static std::string recording() { return folder_ / "whole.trireme"; }
  static ReplayResult replay_with(const std::string& fault, const std::string& file = recording()) {
    const FaultyCompiler compiler(fault);
    Verifier verifier(&compiler);
    return replay(file, {.verifier = &verifier});
  }
  static std::string first_difference(const std::string& fault) {
    const ReplayResult result = replay_with(fault);
    return result.mismatches.empty() ? "" : result.mismatches[0].what;
  }

  static inline fs::path folder_;
};

TEST_F(VerifierTest, WhatIsRightAgrees) {
  const ReplayResult result = replay_with("none");
  EXPECT_EQ(result.mismatch_count, 0);
  EXPECT_EQ(result.reads, 2);
  EXPECT_EQ(result.calls, 4);
}

TEST_F(VerifierTest, ThePassIsNamed) {
  EXPECT_NE(first_difference("simplify").find("agrees without the pass simplify"),
            std::string::npos)
      << first_difference("simplify");
  EXPECT_NE(first_difference("fuse").find("agrees without the pass fuse"), std::string::npos);
  EXPECT_NE(first_difference("").find("its kernels are not"), std::string::npos);
}

TEST_F(VerifierTest, WhatDiffersIsLeftAsARecording) {
  const FaultyCompiler compiler("fold");
  Verifier verifier(&compiler);
  ::setenv("TRIREME_DUMP", folder_.c_str(), 1);
  testing::Program program;
  std::string file;
  {
    const at::AutoDispatchBelowADInplaceOrView below;
    const at::Tensor a = program.enter(at::arange(6, at::kFloat));
    Watcher watcher;
    record::recorder().add_observer_when_idle(&watcher);
    program.call("aten::mul_", "Tensor", {a, a});
    record::recorder().remove_observer(&watcher);
    record::recorder().synchronize();
    // The call once more, by hand what the executor does.
    record::Call& call = watcher.last;
    SegmentLog log;
    log.append(call);
    std::vector<record::VirtualStorage*> storages;
    note_storages(log, call, storages);
    verifier.before(log, storages);
    ReferenceExecutor().run(call);
    ASSERT_NE(verifier.after(log, storages), "");
    const std::vector<const record::Call*> calls{&call};
    file = verifier.dump(log, storages, calls);
    ASSERT_NE(file, "");
  }
  ::unsetenv("TRIREME_DUMP");
  const ReplayResult plain = replay(file);
  EXPECT_EQ(plain.mismatch_count, 0);
  EXPECT_EQ(plain.reads, 1);
  EXPECT_NE(replay_with("fold", file).mismatch_count, 0);
  EXPECT_EQ(replay_with("none", file).mismatch_count, 0);
  EXPECT_TRUE(fs::exists(fs::path(file).replace_extension(".graph")));
}

}  // namespace
}  // namespace trireme::run
