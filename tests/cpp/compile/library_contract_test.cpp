// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "library_support.h"
#include "trireme/compile/library/contract.h"

namespace trireme::compile {
namespace {

using testing::Elements;
using testing::Memory;
using testing::tolerance;

int64_t element(const std::vector<int64_t>& strides, const std::vector<int64_t>& point) {
  int64_t at = 0;
  for (size_t i = 0; i < strides.size(); ++i) at += point[i] * strides[i];
  return at;
}

bool next(std::vector<int64_t>& point, const std::vector<int64_t>& sizes, size_t from) {
  for (size_t i = sizes.size(); i-- > from;) {
    if (++point[i] < sizes[i]) return true;
    point[i] = 0;
  }
  return false;
}

int64_t span_of(const ContractShape::Tensor& tensor, const std::vector<int64_t>& dims) {
  int64_t last = tensor.offset;
  for (size_t i = 0; i < tensor.strides.size(); ++i) last += (dims[i] - 1) * tensor.strides[i];
  return last + 1;
}

// Makes an operand's copy, as the caller of contract_to_gemm has to.
Elements copy(const Elements& from, int64_t offset, const ContractCopy& how) {
  int64_t count = 1;
  for (const int64_t size : how.sizes) count *= size;
  Elements to(from.dtype(), count);
  std::vector<int64_t> point(how.sizes.size());
  for (int64_t i = 0; i < count; ++i) {
    to.set(i, from.get(offset + element(how.strides, point)));
    next(point, how.sizes, 0);
  }
  return to;
}

// Runs a contraction through the library and compares it with the naive sum.
::testing::AssertionResult agrees(const ContractShape& shape, const GemmLibrary& library,
                                  unsigned seed, std::string* how = nullptr) {
  const ContractResult result = contract_to_gemm(shape);
  if (!result.gemm) return ::testing::AssertionFailure() << "declined: " << result.reason;
  const ContractGemm& gemm = *result.gemm;
  std::mt19937 random(seed);
  Elements a(shape.operands[0].dtype, span_of(shape.operands[0], shape.dims));
  Elements b(shape.operands[1].dtype, span_of(shape.operands[1], shape.dims));
  Elements c(shape.result.dtype, span_of(shape.result, shape.dims));
  a.fill(random);
  b.fill(random);
  const GemmResult made = library.make(gemm.problem);
  if (!made.gemm) return ::testing::AssertionFailure() << "library declined: " << made.reason;
  if (how != nullptr) {
    *how =
        made.gemm->description() + (gemm.copy_a ? " copy_a" : "") + (gemm.copy_b ? " copy_b" : "");
  }
  const Elements a_read =
      gemm.copy_a ? copy(a, shape.operands[0].offset, *gemm.copy_a) : std::move(a);
  const Elements b_read =
      gemm.copy_b ? copy(b, shape.operands[1].offset, *gemm.copy_b) : std::move(b);
  const Memory scratch(made.gemm->scratch_bytes());
  made.gemm->run(
      {a_read.at(gemm.a_offset), b_read.at(gemm.b_offset), c.at(gemm.c_offset), nullptr, {}},
      scratch.data());
  random.seed(seed);
  Elements first(shape.operands[0].dtype, span_of(shape.operands[0], shape.dims));
  Elements second(shape.operands[1].dtype, span_of(shape.operands[1], shape.dims));
  first.fill(random);
  second.fill(random);
  std::vector<int64_t> point(shape.dims.size());
  do {
    double sum = 0;
    double magnitude = 0;
    do {
      const double term =
          first.get(shape.operands[0].offset + element(shape.operands[0].strides, point)) *
          second.get(shape.operands[1].offset + element(shape.operands[1].strides, point));
      sum += term;
      magnitude += std::abs(term);
    } while (next(point, shape.dims, shape.parallel));
    const double got = c.get(shape.result.offset + element(shape.result.strides, point));
    if (!(std::abs(got - sum) <= tolerance(c.dtype(), magnitude))) {
      return ::testing::AssertionFailure()
             << got << " instead of " << sum << " by " << made.gemm->description();
    }
  } while (next(
      point, {shape.dims.begin(), shape.dims.begin() + static_cast<int64_t>(shape.parallel)}, 0));
  return ::testing::AssertionSuccess();
}

// einsum's notation: "bij,bjk->bik". `order` of a tensor's letters in memory may differ: "ij/ji" is
// [i, j] with j outermost.
ContractShape einsum(const std::string& equation, const std::map<char, int64_t>& sizes,
                     DType dtype = DType::Float32) {
  const size_t comma = equation.find(',');
  const size_t arrow = equation.find("->");
  const std::string texts[] = {equation.substr(0, comma),
                               equation.substr(comma + 1, arrow - comma - 1),
                               equation.substr(arrow + 2)};
  const auto memory_order = [](const std::string& text) {
    const size_t slash = text.find('/');
    return slash == std::string::npos ? text : text.substr(slash + 1);
  };
  std::string letters = texts[2].substr(0, texts[2].find('/'));
  ContractShape shape;
  shape.parallel = letters.size();
  for (const std::string& text : {texts[0], texts[1]}) {
    for (const char letter : text.substr(0, text.find('/'))) {
      if (letters.find(letter) == std::string::npos) letters += letter;
    }
  }
  for (const char letter : letters) shape.dims.push_back(sizes.at(letter));
  const auto tensor = [&](const std::string& text, size_t rank) {
    ContractShape::Tensor result{dtype, std::vector<int64_t>(rank), 0};
    int64_t stride = 1;
    const std::string order = memory_order(text);
    for (size_t i = order.size(); i-- > 0;) {
      result.strides[letters.find(order[i])] = stride;
      stride *= sizes.at(order[i]);
    }
    return result;
  };
  shape.operands = {tensor(texts[0], letters.size()), tensor(texts[1], letters.size())};
  shape.result = tensor(texts[2], shape.parallel);
  return shape;
}

const std::map<char, int64_t> kSizes = {{'b', 3}, {'h', 4}, {'i', 7},  {'j', 5}, {'k', 6},
                                        {'l', 8}, {'s', 9}, {'d', 16}, {'o', 10}};

TEST(LibraryContract, CommonProductsRunInPlace) {
  const auto library = onednn_library();
  for (const char* equation : {
           "ik,kj->ij",                  // mm
           "bik,bkj->bij",               // bmm
           "ik,k->i",                    // mv
           "k,kj->j",                    // vector times matrix
           "k,k->",                      // dot
           "bsd,od->bso",                // linear
           "bso,od->bsd",                // its grad of the input
           "bso,bsd->od",                // and of the weight
           "bld,bsd->bls",               // scores
           "bhld/blhd,bhsd/bshd->bhls",  // with heads in the middle
           "bhls,bhsd/bshd->bhld/blhd",  // times the values
           "bik,kj->bij",                // broadcast batch
           "ik,bkj->bij",
           "ki,kj->ji",
           "bi,bi->b",
           "bhk,bk->bh",
       }) {
    std::string how;
    EXPECT_TRUE(agrees(einsum(equation, kSizes), *library, 1, &how)) << equation;
    EXPECT_EQ(how.find("cop"), std::string::npos) << equation << ": " << how;
  }
}

TEST(LibraryContract, OuterProducts) {
  const auto library = onednn_library();
  EXPECT_TRUE(agrees(einsum("i,j->ij", kSizes), *library, 2));
  EXPECT_TRUE(agrees(einsum("bi,bj->bij", kSizes), *library, 2));
  EXPECT_TRUE(agrees(einsum("b,i->bi/ib", kSizes), *library, 2));
}

TEST(LibraryContract, BatchDimensionsMergeIntoRows) {
  const ContractResult linear = contract_to_gemm(einsum("bsd,od->bso", kSizes));
  ASSERT_TRUE(linear.gemm);
  EXPECT_TRUE(linear.gemm->problem.batch.empty());
  EXPECT_EQ(linear.gemm->problem.m, 27);
  EXPECT_EQ(linear.gemm->problem.b.row_stride, 1);
  const ContractResult weight = contract_to_gemm(einsum("bso,bsd->od", kSizes));
  ASSERT_TRUE(weight.gemm);
  EXPECT_EQ(weight.gemm->problem.k, 27);
  const ContractResult bmm = contract_to_gemm(einsum("bhik,bhkj->bhij", kSizes));
  ASSERT_TRUE(bmm.gemm);
  EXPECT_EQ(bmm.gemm->problem.batch, (std::vector<int64_t>{12}));
}

TEST(LibraryContract, SumsOverSeveralDimensionsCopyOneOperand) {
  const auto library = onednn_library();
  std::string how;
  // b and s are one dimension of the first operand only
  EXPECT_TRUE(agrees(einsum("bso,bsd/sbd->od", kSizes), *library, 3, &how));
  EXPECT_NE(how.find("copy_"), std::string::npos) << how;
  EXPECT_TRUE(agrees(einsum("ibjk,bkl->ijl", kSizes), *library, 3));
  EXPECT_TRUE(agrees(einsum("bhi,hbj->ij", kSizes), *library, 3));
}

TEST(LibraryContract, OffsetsAreInElements) {
  const auto library = onednn_library();
  ContractShape shape = einsum("ik,kj->ij", kSizes);
  shape.operands[0].offset = 3;
  shape.operands[1].offset = 11;
  shape.result.offset = 5;
  EXPECT_TRUE(agrees(shape, *library, 4));
}

TEST(LibraryContract, RandomContractionsAgreeWithTheNaiveSum) {
  const auto onednn = onednn_library();
  const auto loop = loop_library();
  std::mt19937 random(5);
  const auto draw = [&](int from, int to) {
    return std::uniform_int_distribution<int>(from, to)(random);
  };
  for (unsigned round = 0; round < 400; ++round) {
    // Letters of each class, shuffled in every tensor's shape and memory.
    std::string first;
    std::string second;
    std::string result;
    std::map<char, int64_t> sizes;
    char letter = 'a';
    const auto add = [&](int count, bool in_first, bool in_second, bool in_result) {
      for (; count > 0; --count, ++letter) {
        sizes[letter] = draw(1, 6);
        if (in_first) first += letter;
        if (in_second) second += letter;
        if (in_result) result += letter;
      }
    };
    add(draw(0, 2), true, true, true);
    add(draw(0, 2), true, false, true);
    add(draw(0, 2), false, true, true);
    add(draw(0, 2), true, true, false);
    const auto shuffled = [&](std::string text) {
      if (draw(0, 1) == 1) std::ranges::shuffle(text, random);
      return text;
    };
    std::ranges::shuffle(result, random);
    const std::string equation = first + "/" + shuffled(first) + "," + second + "/" +
                                 shuffled(second) + "->" + result + "/" + shuffled(result);
    const DType dtype =
        draw(0, 3) == 0 && testing::has_bfloat16() ? DType::BFloat16 : DType::Float32;
    EXPECT_TRUE(agrees(einsum(equation, sizes, dtype), *onednn, round)) << equation;
    EXPECT_TRUE(agrees(einsum(equation, sizes, DType::Float64), *loop, round)) << equation;
  }
}

TEST(LibraryContract, DeclinesWhatIsNoProduct) {
  const auto reason = [](ContractShape shape) { return contract_to_gemm(shape).reason; };
  ContractShape shape = einsum("ik,kj->ij", kSizes);
  shape.operands[0].strides[2] = 0;  // a sum of the second operand alone
  EXPECT_NE(reason(shape).find("summed"), std::string::npos);
  shape = einsum("ik,kj->ij", kSizes);
  shape.operands[0].strides[0] = 0;  // an expanded gradient
  EXPECT_NE(reason(shape).find("repeats"), std::string::npos);
  shape = einsum("ik,kj->ij", kSizes);
  shape.dims[2] = 0;
  EXPECT_NE(reason(shape).find("zero"), std::string::npos);
}

TEST(LibraryContract, ReadsANodeWithSymbols) {
  using graph::Extent;
  graph::Node node{graph::Contract{}};
  const Extent rows = Extent::symbol(0);
  node.dims = {rows, 4, 8};
  node.parallel = 2;
  node.operands = {{0, DType::Float32, {{rows, 4, 8}, {8, 0, 1}, 2}},
                   {1, DType::Float32, {{rows, 4, 8}, {0, 1, 4}, 0}}};
  node.results = {{2, DType::Float32, {{rows, 4}, {4, 1}, 0}}};
  const ContractShape shape = shape_of(node, std::vector<int64_t>{5});
  EXPECT_EQ(shape.dims, (std::vector<int64_t>{5, 4, 8}));
  EXPECT_EQ(shape.operands[0].offset, 2);
  EXPECT_TRUE(agrees(shape, *onednn_library(), 6));
}

}  // namespace
}  // namespace trireme::compile
