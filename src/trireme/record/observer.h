// SPDX-License-Identifier: Apache-2.0
// Who watches the stream: the recording to a file, the text dump; later the log behind checkpoints.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "trireme/record/call.h"

namespace trireme::record {

// Told, in the stream's order and one at a time (under the recorder's lock), of all that decides
// the values on the device. Storages are named by VirtualStorage::id. An observer must not record
// calls, wait for the device, take the GIL, or throw.
class Observer {
 public:
  Observer() = default;
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;
  virtual ~Observer() = default;

  // A call of Kind::Op was appended. Its outputs are call.fresh; what an awaited call (completion
  // set) gave follows in `outputs`, `returned` or `failed`.
  virtual void call(const Call& call) = 0;
  // The fresh storages of an awaited call that has run, with its form now complete.
  virtual void outputs(uint64_t number, const CallForm& form,
                       std::span<VirtualStorage* const> fresh) = 0;
  // What an awaited call gave that is not a dense tensor: the program has read these values.
  // `entered` tells of the tensors among them.
  virtual void returned(uint64_t number, const CallForm& form,
                        std::span<const c10::IValue> results) = 0;
  // An awaited call failed, and the program was told.
  virtual void failed(uint64_t number, const std::string& message) = 0;
  // The program has dropped the storage: nothing told later names it.
  virtual void released(const VirtualStorage& storage) = 0;
  // Data entered the device: `host` (a CPU tensor of the geometry) is what the elements at geometry
  // and offset are now.
  virtual void entered(const VirtualStorage& storage, const Geometry& geometry, int64_t offset,
                       const at::Tensor& host, SiteId site) = 0;
  // The storage is `nbytes` large from here on.
  virtual void resized(const VirtualStorage& storage, size_t nbytes) = 0;
  // The program read these elements, and got `host`.
  virtual void read(const VirtualStorage& storage, const Geometry& geometry, int64_t offset,
                    const at::Tensor& host, SiteId site) = 0;
};

}  // namespace trireme::record
