// SPDX-License-Identifier: Apache-2.0
#include "trireme/device/widen.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <torch/library.h>

#include <array>
#include <memory>
#include <string_view>

#include "trireme/record/recorder.h"

namespace trireme::device {
namespace {

using at::ScalarType;

constexpr uint64_t bit(ScalarType type) { return uint64_t{1} << static_cast<uint8_t>(type); }

constexpr uint64_t kHalf = bit(ScalarType::Half);
constexpr uint64_t kBFloat = bit(ScalarType::BFloat16);
constexpr uint64_t kComplexHalf = bit(ScalarType::ComplexHalf);
constexpr uint64_t kBool = bit(ScalarType::Bool);
constexpr uint64_t kIntegers = bit(ScalarType::Byte) | bit(ScalarType::Char) |
                               bit(ScalarType::Short) | bit(ScalarType::Int) |
                               bit(ScalarType::Long);
constexpr uint64_t kWide = bit(ScalarType::Float) | bit(ScalarType::Double) |
                           bit(ScalarType::ComplexFloat) | bit(ScalarType::ComplexDouble);

// The op under all its overloads, in place and with `out` too; the dtypes that the CPU refuses; why
// CUDA programs call it so.
struct Row {
  std::string_view op;
  uint64_t refused;
  std::string_view reason;
};

// docs/gpu_coverage.md lists the same rows, and a test holds each to its widened computation.
constexpr std::array kRows = {
    Row{"histc", kIntegers, "counts of tokens, labels and experts are taken of integer tensors"},
    Row{"abs", kBool, "abs and softsign of a mask"},
    Row{"trace", kBool | kComplexHalf, "counts the true entries of a diagonal"},
    Row{"avg_pool3d", kHalf | kBFloat, "video models in mixed precision"},
    Row{"avg_pool3d_backward", kHalf | kBFloat, "its gradient"},
    Row{"_upsample_bilinear2d_aa", kHalf | kBFloat,
        "antialiased resizing of images in mixed precision"},
    Row{"_upsample_bilinear2d_aa_backward", kHalf | kBFloat, "its gradient"},
    Row{"_upsample_bicubic2d_aa", kHalf | kBFloat,
        "antialiased resizing of images in mixed precision"},
    Row{"_upsample_bicubic2d_aa_backward", kHalf | kBFloat, "its gradient"},
    Row{"multi_margin_loss", kHalf | kBFloat, "a loss in mixed precision"},
    Row{"multi_margin_loss_backward", kHalf | kBFloat, "its gradient"},
    Row{"multilabel_margin_loss_forward", kHalf | kBFloat, "a loss in mixed precision"},
    Row{"multilabel_margin_loss_backward", kHalf | kBFloat, "its gradient"},
    Row{"rrelu_with_noise", kHalf, "an activation in mixed precision"},
    Row{"acos", kComplexHalf, "complex32, pointwise"},
    Row{"acosh", kComplexHalf, "complex32, pointwise"},
    Row{"angle", kComplexHalf, "complex32, pointwise"},
    Row{"asin", kComplexHalf, "complex32, pointwise"},
    Row{"asinh", kComplexHalf, "complex32, pointwise"},
    Row{"atan", kComplexHalf, "complex32, pointwise"},
    Row{"atanh", kComplexHalf, "complex32, pointwise"},
    Row{"cos", kComplexHalf, "complex32, pointwise"},
    Row{"cosh", kComplexHalf, "complex32, pointwise"},
    Row{"div", kComplexHalf, "complex32, pointwise"},
    Row{"exp", kComplexHalf, "complex32, pointwise"},
    Row{"lerp", kComplexHalf, "complex32, pointwise"},
    Row{"log", kComplexHalf, "complex32, pointwise"},
    Row{"logaddexp", kComplexHalf, "complex32, pointwise"},
    Row{"pow", kComplexHalf, "complex32, pointwise"},
    Row{"reciprocal", kComplexHalf, "complex32, pointwise"},
    Row{"rsqrt", kComplexHalf, "complex32, pointwise"},
    Row{"sigmoid", kComplexHalf, "complex32, pointwise"},
    Row{"sigmoid_backward", kComplexHalf, "its gradient"},
    Row{"sin", kComplexHalf, "complex32, pointwise"},
    Row{"sinh", kComplexHalf, "complex32, pointwise"},
    Row{"sqrt", kComplexHalf, "complex32, pointwise"},
    Row{"tan", kComplexHalf, "complex32, pointwise"},
    Row{"tanh", kComplexHalf, "complex32, pointwise"},
    Row{"tanh_backward", kComplexHalf, "its gradient"},
    Row{"cumprod", kComplexHalf, "complex32; the gradient of prod"},
    Row{"cumsum", kComplexHalf, "complex32; the gradient of prod"},
    Row{"flip", kComplexHalf, "complex32; the gradient of prod"},
    Row{"prod", kComplexHalf, "complex32, a reduction"},
    Row{"sum", kComplexHalf, "complex32, a reduction; the gradient of whatever broadcasts"},
    // Fourier transforms: composites, which refuse float16 before anything is recorded.
    Row{"fft_fft", kHalf | kComplexHalf, "spectral layers in mixed precision"},
    Row{"fft_ifft", kHalf | kComplexHalf, "spectral layers in mixed precision"},
    Row{"fft_rfft", kHalf, "spectral layers in mixed precision"},
    Row{"fft_irfft", kHalf | kComplexHalf, "spectral layers in mixed precision"},
    Row{"fft_hfft", kHalf | kComplexHalf, "spectral layers in mixed precision"},
    Row{"fft_ihfft", kHalf, "spectral layers in mixed precision"},
    Row{"fft_fft2", kHalf | kComplexHalf, "spectral layers in mixed precision"},
    Row{"fft_ifft2", kHalf | kComplexHalf, "spectral layers in mixed precision"},
    Row{"fft_rfft2", kHalf, "spectral layers in mixed precision"},
    Row{"fft_irfft2", kHalf | kComplexHalf, "spectral layers in mixed precision"},
    Row{"fft_hfft2", kHalf | kComplexHalf, "spectral layers in mixed precision"},
    Row{"fft_ihfft2", kHalf, "spectral layers in mixed precision"},
    Row{"fft_fftn", kHalf | kComplexHalf, "spectral layers in mixed precision"},
    Row{"fft_ifftn", kHalf | kComplexHalf, "spectral layers in mixed precision"},
    Row{"fft_rfftn", kHalf, "spectral layers in mixed precision"},
    Row{"fft_irfftn", kHalf | kComplexHalf, "spectral layers in mixed precision"},
    Row{"fft_hfftn", kHalf | kComplexHalf, "spectral layers in mixed precision"},
    Row{"fft_ihfftn", kHalf, "spectral layers in mixed precision"},
};

ScalarType wider(ScalarType type) {
  switch (type) {
    case ScalarType::Half:
    case ScalarType::BFloat16:
      return ScalarType::Float;
    case ScalarType::ComplexHalf:
      return ScalarType::ComplexFloat;
    case ScalarType::Bool:
      return ScalarType::Byte;
    default:
      return ScalarType::Double;  // integers: exact up to 2**53
  }
}

// What a result in a wider dtype is cast to, where the arguments were of `narrow`.
ScalarType narrower(ScalarType result, ScalarType narrow) {
  if (result == wider(narrow)) return narrow;
  const bool half = narrow == ScalarType::Half || narrow == ScalarType::ComplexHalf;
  if (half && result == ScalarType::Float) return ScalarType::Half;
  if (half && result == ScalarType::ComplexFloat) return ScalarType::ComplexHalf;
  return result;
}

// "aten::sin_", "aten::sin.out", "aten::sin" -> "sin"
std::string_view base_name(std::string_view name) {
  if (!name.starts_with("aten::")) return {};
  name.remove_prefix(std::string_view("aten::").size());
  name = name.substr(0, name.find('.'));
  if (name.ends_with('_')) name.remove_suffix(1);
  return name;
}

const Row* row_of(std::string_view op_name) {
  const std::string_view base = base_name(op_name);
  const auto* row =
      std::find_if(kRows.begin(), kRows.end(), [&](const Row& each) { return each.op == base; });
  return row == kRows.end() ? nullptr : row;
}

int dtype_argument(const record::OpInfo& op) {
  const auto& arguments = op.handle.schema().arguments();
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i].name() == "dtype") return static_cast<int>(i);
  }
  return -1;
}

// Decides about one op's calls, and makes the widened one.
class Widener {
 public:
  Widener(const record::OpInfo& op, const Row& row)
      : op_(op), row_(row), dtype_(dtype_argument(op)) {}

  // The dtype to widen, or Undefined: the call is left as it is.
  ScalarType refused(c10::ArrayRef<c10::IValue> args) const {
    ScalarType found = ScalarType::Undefined;
    if (dtype_ >= 0 && !args[static_cast<size_t>(dtype_)].isNone()) {
      const auto wanted = static_cast<ScalarType>(args[static_cast<size_t>(dtype_)].toInt());
      return (row_.refused & bit(wanted)) != 0 ? wanted : ScalarType::Undefined;
    }
    bool found_scalar = false;
    bool wide = false;
    for (size_t i = 0; i < op_.args.size(); ++i) {
      if (op_.args[i].kind != record::ArgKind::Tensor || !args[i].isTensor()) continue;
      const at::Tensor& tensor = args[i].toTensor();
      if (!tensor.defined() || tensor.is_sparse()) continue;
      const uint64_t type = bit(tensor.scalar_type());
      if ((row_.refused & type) != 0) {
        if (found == ScalarType::Undefined || found_scalar) found_scalar = tensor.dim() == 0;
        found = tensor.scalar_type();
      } else if ((kWide & type) != 0 && !op_.args[i].written && tensor.dim() > 0) {
        wide = true;
      }
    }
    // Beside a wider tensor the CPU promotes; what it refuses then is refused here too.
    return wide ? ScalarType::Undefined : found;
  }

  void run(torch::jit::Stack* stack, ScalarType narrow) const {
    const size_t count = op_.args.size();
    const auto given = torch::jit::last(*stack, count).vec();
    torch::jit::Stack widened;
    widened.reserve(count);
    for (size_t i = 0; i < count; ++i) widened.push_back(widen(given[i], static_cast<int>(i)));
    const torch::jit::Stack arguments = widened;
    op_.handle.callBoxed(&widened);
    for (size_t i = 0; i < count; ++i) {
      if (op_.args[i].written) write_back(given[i], arguments[i]);
    }
    torch::jit::drop(*stack, count);
    for (size_t i = 0; i < widened.size(); ++i) {
      const int aliased = op_.returns[i].aliased_arg;
      stack->push_back(aliased >= 0 ? given[static_cast<size_t>(aliased)]
                                    : cast_back(widened[i], narrow));
    }
  }

 private:
  c10::IValue widen(const c10::IValue& value, int index) const {
    if (index == dtype_ && !value.isNone()) {
      return static_cast<int64_t>(wider(static_cast<ScalarType>(value.toInt())));
    }
    if (!value.isTensor() || !value.toTensor().defined()) return value;
    const at::Tensor& tensor = value.toTensor();
    if ((row_.refused & bit(tensor.scalar_type())) == 0) return value;
    return tensor.to(wider(tensor.scalar_type()));
  }

  static void write_back(const c10::IValue& given, const c10::IValue& widened) {
    if (!given.isTensor() || !given.toTensor().defined()) return;
    const at::Tensor& target = given.toTensor();
    const at::Tensor& source = widened.toTensor();
    if (target.is_same(source)) return;
    if (target.sizes() != source.sizes()) target.resize_(source.sizes());
    target.copy_(source);
  }

  static c10::IValue cast_back(const c10::IValue& value, ScalarType narrow) {
    if (!value.isTensor() || !value.toTensor().defined()) return value;
    const at::Tensor& tensor = value.toTensor();
    return tensor.to(narrower(tensor.scalar_type(), narrow));
  }

  const record::OpInfo& op_;
  const Row& row_;
  int dtype_;
};

// Below autograd: the op's own gradient formula applies.
class WidenKernel final : public c10::OperatorKernel {
 public:
  WidenKernel(const record::OpInfo& op, const Row& row) : op_(op), widener_(op, row) {}

  void operator()(const c10::OperatorHandle& /*handle*/, c10::DispatchKeySet /*keys*/,
                  torch::jit::Stack* stack) {
    const ScalarType narrow = widener_.refused(torch::jit::last(*stack, op_.args.size()));
    if (narrow == ScalarType::Undefined) {
      record::recorder().record(op_, stack);
    } else {
      widener_.run(stack, narrow);
    }
  }

 private:
  const record::OpInfo& op_;
  Widener widener_;
};

// Above autograd: the casts are differentiated with the rest.
class WidenComposite final : public c10::OperatorKernel {
 public:
  WidenComposite(const record::OpInfo& op, const Row& row) : op_(op), widener_(op, row) {}

  void operator()(const c10::OperatorHandle& /*handle*/, c10::DispatchKeySet /*keys*/,
                  torch::jit::Stack* stack) {
    const ScalarType narrow = widener_.refused(torch::jit::last(*stack, op_.args.size()));
    if (narrow == ScalarType::Undefined) {
      // What the CPU's entry holds is the composite.
      op_.handle.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);
    } else {
      widener_.run(stack, narrow);
    }
  }

 private:
  const record::OpInfo& op_;
  Widener widener_;
};

// Not a widening: the CPU's nansum refuses complex numbers of every size.
class NanSum final : public c10::OperatorKernel {
 public:
  explicit NanSum(const record::OpInfo& op) : op_(op) {}

  void operator()(const c10::OperatorHandle& /*handle*/, c10::DispatchKeySet /*keys*/,
                  torch::jit::Stack* stack) {
    const auto args = torch::jit::last(*stack, op_.args.size());
    const at::Tensor self = args[0].toTensor();
    if (!self.is_complex()) {
      record::recorder().record(op_, stack);
      return;
    }
    const auto dim = args[1].toOptional<std::vector<int64_t>>();
    const bool keepdim = args[2].toBool();
    const auto dtype = args[3].toOptional<ScalarType>();
    const at::Tensor clean = at::where(self.ne(self), at::zeros({}, self.options()), self);
    at::Tensor sum =
        at::sum(clean, dim ? at::OptionalIntArrayRef(*dim) : std::nullopt, keepdim, dtype);
    if (op_.args.size() > 4) {
      at::Tensor out = args[4].toTensor();
      if (out.sizes() != sum.sizes()) out.resize_(sum.sizes());
      out.copy_(sum);
      sum = out;
    }
    torch::jit::drop(*stack, op_.args.size());
    stack->emplace_back(sum);
  }

 private:
  const record::OpInfo& op_;
};

void implement_composites(torch::Library& m) {
  for (const c10::OperatorName& name : c10::Dispatcher::singleton().getAllOpNames()) {
    const auto handle = c10::Dispatcher::singleton().findSchema(name);
    if (!handle || !handle->hasKernelForDispatchKey(c10::DispatchKey::CompositeImplicitAutograd))
      continue;
    const Row* row = row_of(name.name);
    if (row == nullptr || !row->op.starts_with("fft_")) continue;
    const record::OpInfo& op = record::op_info(*handle);
    m.impl(op.name.substr(op.name.find("::") + 2).c_str(),
           torch::CppFunction::makeFromBoxedFunctor(std::make_unique<WidenComposite>(op, *row)));
  }
}

TORCH_LIBRARY_IMPL(aten, AutogradPrivateUse1, m) { implement_composites(m); }
TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) { implement_composites(m); }

}  // namespace

bool may_widen(const record::OpInfo& op) {
  return row_of(op.name) != nullptr || base_name(op.name) == "nansum";
}

c10::BoxedKernel widen_kernel(const record::OpInfo& op) {
  const Row* row = row_of(op.name);
  if (row == nullptr) return c10::BoxedKernel::makeFromFunctor(std::make_unique<NanSum>(op));
  return c10::BoxedKernel::makeFromFunctor(std::make_unique<WidenKernel>(op, *row));
}

}  // namespace trireme::device
