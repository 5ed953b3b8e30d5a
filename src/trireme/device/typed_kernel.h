// SPDX-License-Identifier: Apache-2.0
// Records known calls of an op from its C++ arguments, without boxing them: boxing copies tensors,
// and a tensor's first copy and last drop take Python's lock. What is not known goes the boxed way.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/boxing/KernelFunction.h>

#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "trireme/device/record_kernel.h"
#include "trireme/record/device_tensor.h"
#include "trireme/record/recorder.h"
#include "trireme/record/signature_builder.h"

namespace trireme::device {

template <class Signature>
class TypedKernel;

template <class Result, class... Args>
class TypedKernel<Result(Args...)> {
 public:
  explicit TypedKernel(const record::OpInfo& op) : op_(&op), boxed_(boxed_kernel(op)) {}

  Result operator()(c10::DispatchKeySet keys, Args... args) {
    record::Recorder& recorder = record::recorder();
    record::Draft& draft = recorder.draft();
    record::SignatureBuilder builder(*op_, draft);
    if ((builder.add(args) && ...)) {
      builder.finish();
      if (const record::CallForm* form = recorder.append_known(*op_, draft)) {
        c10::SmallVector<c10::Storage, 4> fresh;
        for (record::VirtualStorage* storage : draft.fresh) fresh.push_back(recorder.wrap(storage));
        record::Outputs outputs(*form, draft.tensors, fresh);
        return Results<Result>::take(recorder, *form, draft, outputs, args...);
      }
    }
    return c10::impl::BoxedKernelWrapper<Result(Args...)>::call(boxed_, op_->handle, keys,
                                                                std::forward<Args>(args)...);
  }

 private:
  // The arguments that the op writes, as PyTorch passes them: Tensor&.
  template <class T>
  static constexpr bool kIsWritten = std::is_same_v<T, at::Tensor&>;

  static auto written(Args&... args) {
    return std::tuple_cat([&]() {
      if constexpr (kIsWritten<Args>) {
        return std::tuple<at::Tensor&>(args);
      } else {
        return std::tuple<>();
      }
    }()...);
  }

  template <class R>
  struct Results {
    static R take(record::Recorder& recorder, const record::CallForm& form, record::Draft& draft,
                  record::Outputs& outputs, Args&... args) {
      if constexpr (std::is_void_v<R>) {
        recorder.finish_known(form, draft);
      } else if constexpr (std::is_reference_v<R>) {
        recorder.finish_known(form, draft);
        return std::get<0>(written(args...));
      } else if constexpr (std::is_same_v<R, at::Tensor>) {
        at::Tensor result = outputs.next();
        recorder.finish_known(form, draft);
        return result;
      } else {
        static_assert(std::is_same_v<R, std::vector<at::Tensor>>);
        std::vector<at::Tensor> results;
        results.reserve(form.outputs.size());
        for (size_t i = 0; i < form.outputs.size(); ++i) results.push_back(outputs.next());
        recorder.finish_known(form, draft);
        return results;
      }
    }
  };

  template <class... Items>
  struct Results<std::tuple<Items...>> {
    static std::tuple<Items...> take(record::Recorder& recorder, const record::CallForm& form,
                                     record::Draft& draft, record::Outputs& outputs,
                                     Args&... args) {
      if constexpr ((std::is_reference_v<Items> && ...)) {
        recorder.finish_known(form, draft);
        return written(args...);
      } else {
        std::tuple<Items...> results{next<Items>(outputs)...};  // in order, by the braces
        recorder.finish_known(form, draft);
        return results;
      }
    }

    template <class Item>
    static at::Tensor next(record::Outputs& outputs) {
      static_assert(std::is_same_v<Item, at::Tensor>);
      return outputs.next();
    }
  };

  const record::OpInfo* op_;
  c10::BoxedKernel boxed_;
};

}  // namespace trireme::device
