// SPDX-License-Identifier: Apache-2.0
// The form of a product or a convolution that reads its weight packed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "trireme/base/openmp.h"
#include "trireme/compile/program/library_steps.h"

namespace trireme::compile {

// Made when the weight has settled: the runs before that, and those for which a packed weight has
// no room, read the weight as it lies. `Computation` is Gemm or Convolution. Not thread-safe.
template <class Computation>
class PackedForm {
 public:
  // Without `packable`, there will be none. It is made for as many threads as this is.
  explicit PackedForm(std::optional<PackableInput> packable)
      : packable_(packable), alone_(omp_get_max_threads() == 1) {}

  // Null before prepare().
  const Computation* get() const { return computation_.get(); }
  size_t scratch_bytes() const { return computation_ ? computation_->scratch_bytes() : 0; }

  // The weight's version (Surroundings::input_version) where it has settled, else 0; to be asked
  // once a run.
  uint64_t settled(const Frame& frame) const {
    if (!packable_) return 0;
    const uint64_t version = frame.surroundings.input_version(packable_->input);
    return version != 0 && packable_->weights->settled(version) ? version : 0;
  }

  // The packed weight for get(), or null. `offset`: where in the input the weight begins.
  std::shared_ptr<const std::byte> weight(uint64_t version, const void* given, int64_t offset,
                                          std::byte* scratch) const {
    if (version == 0 || !computation_) return nullptr;
    return packable_->weights->find({version, offset, format_}, computation_->packed_bytes(),
                                    [&](std::byte* to) { computation_->pack(given, to, scratch); });
  }

  // For the next run, whose scratch it needs: takes what `make()` gives, or null for ever.
  template <class Make>
  void prepare(uint64_t version, Make make) {
    if (version == 0 || computation_) return;
    const base::OneThread alone(alone_);
    computation_ = make();
    if (computation_) {
      format_ = computation_->packed_format();
    } else {
      packable_.reset();
    }
  }

 private:
  std::optional<PackableInput> packable_;
  bool alone_;  // prepared for one thread
  std::unique_ptr<Computation> computation_;
  std::string format_;
};

}  // namespace trireme::compile
