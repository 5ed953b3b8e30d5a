// SPDX-License-Identifier: Apache-2.0
// Matrix products by oneDNN's matmul.
//
// oneDNN has fast kernels for some layouts and falls back to a reference loop, hundreds of times
// slower, for the others. So several forms of the problem are tried in turn - as it is, transposed,
// with operands copied to dense ones of the type it computes in - and the first that gets a real
// kernel is taken.
#include <algorithm>
#include <array>
#include <optional>

#include "trireme/compile/library/gemm.h"
#include "trireme/compile/library/onednn_program.h"

namespace trireme::compile {
namespace {

using dnnl::memory;
using onednn::Program;

// Which operands are copied into the scratch.
struct Copies {
  bool a = false;
  bool b = false;
  bool c = false;
  bool wide = false;  // all of them, in f32, even where their type has fast kernels
  auto operator<=>(const Copies&) const = default;
};

struct Shape {
  int64_t rows;
  int64_t columns;
};

// A dimension along which nothing moves is one of size 1, which broadcasts; C has none such.
memory::desc describe(const GemmMatrix& matrix, const std::vector<int64_t>& batch, Shape shape,
                      memory::data_type type, bool broadcast_matrix) {
  memory::dims sizes;
  memory::dims strides;
  for (size_t i = 0; i < batch.size(); ++i) {
    sizes.push_back(matrix.batch_strides[i] == 0 ? 1 : batch[i]);
    strides.push_back(matrix.batch_strides[i]);
  }
  sizes.push_back(broadcast_matrix && matrix.row_stride == 0 ? 1 : shape.rows);
  strides.push_back(matrix.row_stride);
  sizes.push_back(broadcast_matrix && matrix.column_stride == 0 ? 1 : shape.columns);
  strides.push_back(matrix.column_stride);
  // The stride of a dimension of size 1 is free, and oneDNN takes its choice of kernel from it.
  int64_t extent = 1;
  for (size_t i = sizes.size(); i-- > 0;) {
    if (sizes[i] == 1) strides[i] = extent;
    extent = std::max(extent, sizes[i] * strides[i]);
  }
  return memory::desc(sizes, type, strides);
}

memory::desc dense(const memory::desc& like, memory::data_type type) {
  const memory::dims sizes = like.get_dims();
  return memory::desc(sizes, type, onednn::dense_strides(sizes));
}

class OneDnnGemm final : public Gemm {
 public:
  // Throws dnnl::error where oneDNN has no such kernel; `slow` is set where it has but a loop.
  OneDnnGemm(const GemmProblem& problem, bool swapped, Copies copies, bool& slow);

  void run(const GemmPointers& pointers, std::byte* scratch) const override {
    constexpr size_t kFew = 16;
    std::array<void*, kFew> few{};
    std::vector<void*> many;
    const size_t count = 3 + (biased_ ? 1 : 0) + pointers.others.size();
    void** to = few.data();
    if (count > kFew) {
      many.resize(count);
      to = many.data();
    }
    // oneDNN's interface takes no pointers to const
    to[0] = const_cast<void*>(swapped_ ? pointers.b : pointers.a);
    to[1] = const_cast<void*>(swapped_ ? pointers.a : pointers.b);
    to[2] = pointers.c;
    size_t next = 3;
    if (biased_) to[next++] = const_cast<void*>(pointers.bias);
    for (const void* other : pointers.others) to[next++] = const_cast<void*>(other);
    program_.run({to, count}, scratch);
  }
  size_t scratch_bytes() const override {
    return std::max(program_.scratch_bytes(), packing_ ? packing_->scratch_bytes() : 0);
  }
  size_t packed_bytes() const override { return packing_ ? packing_->bytes() : 0; }
  void pack(const void* b, std::byte* packed, std::byte* scratch) const override {
    if (!packing_) return Gemm::pack(b, packed, scratch);
    packing_->run(b, packed, scratch);
  }
  std::string packed_format() const override {
    return packing_ ? packing_->format() : std::string();
  }
  std::string description() const override { return description_; }

 private:
  // The type that post-ops and the bias are read in.
  memory::data_type readable(memory::data_type type) const {
    const bool fast = (type != memory::data_type::f16 || onednn::has_fast(DType::Float16)) &&
                      (type != memory::data_type::bf16 || onednn::has_fast(DType::BFloat16));
    return fast && !wide_ ? type : memory::data_type::f32;
  }

  // `c_slot` is the given C. Whether the computed one is summed to.
  bool add_post_ops(const GemmProblem& problem, bool copy_c, size_t c_slot,
                    memory::data_type c_type, dnnl::post_ops& ops, Program::Arguments& arguments);

  Program program_;
  std::optional<onednn::Packing> packing_;
  bool swapped_ = false;
  bool wide_ = false;
  bool biased_ = false;
  std::string description_;
};

bool OneDnnGemm::add_post_ops(const GemmProblem& problem, bool copy_c, size_t c_slot,
                              memory::data_type c_type, dnnl::post_ops& ops,
                              Program::Arguments& arguments) {
  const memory::dims one(problem.batch.size() + 2, 1);
  bool sums = false;
  for (const GemmPostOp& op : problem.post_ops) {
    size_t slot = 0;
    switch (op.kind) {
      case PostOpKind::Accumulate:
        // The kernels for AVX2 sum first or not at all. While a copy of C is computed, the given
        // one is as good an operand as any.
        if (ops.len() == 0 || !copy_c) {
          ops.append_sum(1.0F, 0, c_type);
          sums = true;
          continue;
        }
        slot = c_slot;
        break;
      case PostOpKind::Scale:
        slot = program_.outer(memory::desc(one, memory::data_type::f32, one));
        break;
      default:
        if (!has_other(op.kind)) {
          ops.append_eltwise(onednn::algorithm_of(op.kind), onednn::alpha_of(op.kind), 0.0F);
          continue;
        }
        slot = program_.outer(describe(op.other, problem.batch, {problem.m, problem.n},
                                       *onednn::data_type(op.other.dtype), true));
    }
    memory::desc other = program_.desc(slot);
    const memory::dims sizes = other.get_dims();
    const bool many = std::ranges::count(sizes, 1) < static_cast<int64_t>(sizes.size());
    // Its kernels walk a whole tensor as they walk C, and read others densely.
    const memory::desc wanted = dense(other, readable(other.get_data_type()));
    if (other != wanted && ((many && copy_c) || wanted.get_data_type() != other.get_data_type())) {
      slot = program_.converted(slot, wanted);
      other = wanted;
    }
    arguments.emplace_back(DNNL_ARG_ATTR_MULTIPLE_POST_OP(ops.len()) | DNNL_ARG_SRC_1, slot);
    ops.append_binary(onednn::algorithm_of(op.kind), other);
  }
  return sums;
}

OneDnnGemm::OneDnnGemm(const GemmProblem& problem, bool swapped, Copies copies, bool& slow)
    : swapped_(swapped), wide_(copies.wide), biased_(problem.bias.has_value()) {
  const Shape a_shape{problem.m, problem.k};
  const Shape b_shape{problem.k, problem.n};
  const Shape c_shape{problem.m, problem.n};
  const memory::data_type a_type = *onednn::data_type(problem.a.dtype);
  const memory::data_type b_type = *onednn::data_type(problem.b.dtype);
  const memory::data_type c_type = *onednn::data_type(problem.c.dtype);
  const bool narrow = !copies.wide && a_type == b_type && onednn::has_fast(problem.a.dtype) &&
                      (c_type == a_type || c_type == memory::data_type::f32);
  const memory::data_type compute = narrow ? a_type : memory::data_type::f32;
  const memory::data_type computed = narrow ? c_type : memory::data_type::f32;
  copies.a |= a_type != compute;
  copies.b |= b_type != compute;
  copies.c |= c_type != computed;

  const memory::desc a_given = describe(problem.a, problem.batch, a_shape, a_type, false);
  const memory::desc b_given = describe(problem.b, problem.batch, b_shape, b_type, false);
  const memory::desc c_given = describe(problem.c, problem.batch, c_shape, c_type, false);
  const memory::desc a = copies.a ? dense(a_given, compute) : a_given;
  memory::desc b = copies.b ? dense(b_given, compute) : b_given;
  const memory::desc c = copies.c ? dense(c_given, computed) : c_given;
  if (problem.packed_b) b = memory::desc(b_given.get_dims(), compute, memory::format_tag::any);

  const size_t a_slot = program_.outer(a_given);
  const size_t b_slot = program_.outer(b_given);  // renewed below where B is packed
  const size_t c_slot = program_.outer(c_given);
  Program::Arguments arguments;
  memory::desc bias;
  if (problem.bias) {
    memory::dims sizes(problem.batch.size() + 2, 1);
    sizes[sizes.size() - (problem.bias->along_m ? 2 : 1)] =
        problem.bias->along_m ? problem.m : problem.n;
    bias =
        memory::desc(sizes, *onednn::data_type(problem.bias->dtype), onednn::dense_strides(sizes));
    size_t slot = program_.outer(bias);
    if (readable(bias.get_data_type()) != bias.get_data_type()) {
      bias = dense(bias, readable(bias.get_data_type()));
      slot = program_.converted(slot, bias);
    }
    arguments.emplace_back(DNNL_ARG_BIAS, slot);
  }
  dnnl::post_ops ops;
  // A bias along m is one for a column, which only a binary post-op can be.
  const bool bias_is_op = problem.bias && problem.bias->along_m;
  if (bias_is_op) {
    arguments.back().first = DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1;
    ops.append_binary(dnnl::algorithm::binary_add, bias);
  }
  const bool sums = add_post_ops(problem, copies.c, c_slot, computed, ops, arguments);
  dnnl::primitive_attr attributes = Program::attributes();
  attributes.set_post_ops(ops);
  const bool bias_is_bias = problem.bias && !bias_is_op;
  const dnnl::matmul::primitive_desc matmul =
      bias_is_bias ? dnnl::matmul::primitive_desc(onednn::engine(), a, b, bias, c, attributes)
                   : dnnl::matmul::primitive_desc(onednn::engine(), a, b, c, attributes);
  const std::string kernel = matmul.impl_info_str();
  slow = kernel.find("ref") != std::string::npos;
  if (slow) return;

  const size_t a_read = copies.a ? program_.converted(a_slot, a) : a_slot;
  size_t b_read = b_slot;
  size_t c_written = c_slot;
  if (problem.packed_b) {
    const memory::desc packed = matmul.weights_desc();
    packing_.emplace(b_given, packed);
    program_.replace(b_slot, packed);
  } else if (copies.b) {
    b_read = program_.converted(b_slot, b);
  }
  if (copies.c) {
    c_written = program_.scratch(c);
    if (sums) program_.add_reorder(c_slot, c_written);
  }
  arguments.emplace_back(DNNL_ARG_SRC, a_read);
  arguments.emplace_back(DNNL_ARG_WEIGHTS, b_read);
  arguments.emplace_back(DNNL_ARG_DST, c_written);
  program_.add(dnnl::matmul(matmul), matmul, std::move(arguments));
  if (copies.c) program_.add_reorder(c_written, c_slot);
  program_.finish();

  description_ = "onednn " + kernel;
  const auto copied = [&](bool copy, const char* what) {
    if (copy) description_ += std::string(", copies ") + what;
  };
  copied(copies.a, swapped_ ? "B" : "A");
  copied(copies.b && !problem.packed_b, swapped_ ? "A" : "B");
  copied(copies.c, "C");
}

// A dimension of an operand along which it repeats itself: oneDNN cannot read that.
bool repeats(const GemmMatrix& matrix, Shape shape) {
  return (shape.rows > 1 && matrix.row_stride == 0) ||
         (shape.columns > 1 && matrix.column_stride == 0);
}

bool negative(const GemmMatrix& matrix) {
  return matrix.row_stride < 0 || matrix.column_stride < 0 ||
         std::ranges::any_of(matrix.batch_strides, [](int64_t s) { return s < 0; });
}

// A whole tensor must lie as C does, since kernels use C's offsets for it; a vector be dense.
bool lies_well(const GemmProblem& problem, const GemmMatrix& other, bool copy_c) {
  const bool rows = problem.m > 1 && other.row_stride != 0;
  const bool columns = problem.n > 1 && other.column_stride != 0;
  bool batches = false;
  bool all_batches = true;
  bool like_c = true;
  for (size_t i = 0; i < problem.batch.size(); ++i) {
    if (problem.batch[i] == 1) continue;
    const bool moves = other.batch_strides[i] != 0;
    batches |= moves;
    all_batches &= moves;
    like_c &= other.batch_strides[i] == problem.c.batch_strides[i];
  }
  if (!rows && !columns && !batches) return true;
  if (!batches && !rows) return other.column_stride == 1;
  if (!batches && !columns) return other.row_stride == 1;
  const bool whole = (rows || problem.m == 1) && (columns || problem.n == 1) && all_batches;
  if (!whole) return false;
  if (copy_c) return true;
  return like_c && (problem.m == 1 || other.row_stride == problem.c.row_stride) &&
         (problem.n == 1 || other.column_stride == problem.c.column_stride);
}

bool lies_well(const GemmProblem& problem, bool copy_c) {
  return std::ranges::all_of(problem.post_ops, [&](const GemmPostOp& op) {
    return !has_other(op.kind) || lies_well(problem, op.other, copy_c);
  });
}

bool unit(const GemmMatrix& matrix, Shape shape) {
  return shape.rows == 1 || shape.columns == 1 || matrix.row_stride == 1 ||
         matrix.column_stride == 1;
}

std::string refuse(const GemmProblem& problem) {
  if (std::string wrong = check(problem); !wrong.empty()) return wrong;
  for (const GemmMatrix* matrix : {&problem.a, &problem.b, &problem.c}) {
    if (!onednn::data_type(matrix->dtype)) {
      return "oneDNN has no product of " + std::string(name_of(matrix->dtype));
    }
    if (negative(*matrix)) return "oneDNN takes no negative strides";
  }
  if (problem.bias && !onednn::data_type(problem.bias->dtype)) {
    return "oneDNN has no bias of " + std::string(name_of(problem.bias->dtype));
  }
  for (const GemmPostOp& op : problem.post_ops) {
    if (!has_other(op.kind)) continue;
    if (!onednn::data_type(op.other.dtype)) {
      return "oneDNN has no post-op with " + std::string(name_of(op.other.dtype));
    }
    if (negative(op.other)) return "oneDNN takes no negative strides";
  }
  if (repeats(problem.a, {problem.m, problem.k}) || repeats(problem.b, {problem.k, problem.n})) {
    return "an operand repeats its elements along a dimension of the product";
  }
  if (problem.batch.size() + 2 > DNNL_MAX_NDIMS) return "oneDNN takes no more than 12 dimensions";
  return {};
}

class OneDnnLibrary final : public GemmLibrary {
 public:
  std::string name() const override { return "onednn"; }

  GemmResult make(const GemmProblem& problem) const override {
    if (std::string reason = refuse(problem); !reason.empty()) return {nullptr, std::move(reason)};
    std::string reason = "oneDNN has no kernel for this layout";
    const GemmProblem turned = transposed(problem);
    // Rows of C that are not dense need the transposed problem, whose rows are.
    const bool turn_first = problem.n > 1 && problem.c.column_stride != 1 &&
                            (problem.m == 1 || problem.c.row_stride == 1);
    // Last in f32: there are processors with f16 arithmetic for which oneDNN lacks f16 kernels.
    const bool narrow = problem.a.dtype != DType::Float32 && onednn::has_fast(problem.a.dtype);
    std::vector<Copies> copies;
    for (const bool wide : {false, true}) {
      if (wide && !narrow) continue;
      for (const bool all : {false, true}) {
        const bool a = all || !unit(problem.a, {problem.m, problem.k});
        const bool b = all || !unit(problem.b, {problem.k, problem.n});
        const bool c = !unit(problem.c, {problem.m, problem.n});
        copies.push_back({a, b, c, wide});
        copies.push_back({a, b, true, wide});
      }
    }
    for (const Copies& copy : copies) {
      for (const bool turn : {turn_first, !turn_first}) {
        if (turn && problem.packed_b) continue;  // B would not be what oneDNN packs
        const GemmProblem& form = turn ? turned : problem;
        const Copies form_copies = turn ? Copies{copy.b, copy.a, copy.c, copy.wide} : copy;
        if (!lies_well(form, form_copies.c)) continue;
        try {
          bool slow = false;
          auto gemm = std::make_unique<OneDnnGemm>(form, turn, form_copies, slow);
          if (!slow) return {std::move(gemm), {}};
        } catch (const dnnl::error& error) {
          reason = std::string("oneDNN: ") + error.what();
        }
      }
    }
    return {nullptr, reason + ": " + compile::describe(problem)};
  }
};

}  // namespace

std::unique_ptr<GemmLibrary> onednn_library() { return std::make_unique<OneDnnLibrary>(); }

}  // namespace trireme::compile
