// SPDX-License-Identifier: Apache-2.0
// Which buffers of a kernel may be one piece of memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "trireme/compile/kernel/kernel.h"

namespace trireme::compile {

// Where a kernel reads and writes its buffers. The kernel must outlive it.
class Sharing {
 public:
  explicit Sharing(const Kernel& kernel);

  // Whether the kernel is right when the buffer `written` lies where the buffer `read` does: each
  // element is read for the last time before it is written, in the same point of the range. Not
  // decided for indirect accesses: false.
  bool may_take_place(uint32_t read, uint32_t written) const;

 private:
  // One load or store, with the loops around it, outermost first.
  struct Access {
    const Index* index = nullptr;
    std::vector<const Loop*> loops;
    size_t position = 0;  // in the kernel's text
  };
  struct Buffer {
    std::vector<Access> loads;
    std::vector<Access> stores;
  };

  void visit(const Loop& loop);
  static bool same_elements(const Access& load, const Access& store);

  const Kernel& kernel_;
  std::vector<Buffer> buffers_;
  std::vector<const Loop*> loops_{};  // around what is visited
  size_t position_ = 0;
};

}  // namespace trireme::compile
