// SPDX-License-Identifier: Apache-2.0
// Operations on lists of tensors: each is lowered as the calls, one per tensor, that it stands for,
// as ATen's CPU kernels do it. Nodes of unlike tensors can be fused later.
#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "trireme/graph/build/loop.h"
#include "trireme/graph/build/op_table.h"
#include "trireme/graph/build/tensor_views.h"

namespace trireme::graph {
namespace {

// The op that _foreach_<name>.<overload> applies to each tensor.
struct Single {
  std::string_view list;  // without "aten::_foreach_" and the in-place underscore
  const char* single;
};

// Those not named here are called alike: _foreach_sqrt applies sqrt.
constexpr std::array kSingles = {
    Single{"add.Scalar", "aten::add.Scalar"},
    Single{"add.ScalarList", "aten::add.Scalar"},
    Single{"add.List", "aten::add.Tensor"},
    Single{"sub.Scalar", "aten::sub.Scalar"},
    Single{"sub.ScalarList", "aten::sub.Scalar"},
    Single{"sub.List", "aten::sub.Tensor"},
    Single{"mul.Scalar", "aten::mul.Scalar"},
    Single{"mul.ScalarList", "aten::mul.Scalar"},
    Single{"mul.List", "aten::mul.Tensor"},
    Single{"div.Scalar", "aten::div.Scalar"},
    Single{"div.ScalarList", "aten::div.Scalar"},
    Single{"div.List", "aten::div.Tensor"},
    Single{"clamp_max.Scalar", "aten::clamp_max"},
    Single{"clamp_max.ScalarList", "aten::clamp_max"},
    Single{"clamp_max.List", "aten::clamp_max.Tensor"},
    Single{"clamp_min.Scalar", "aten::clamp_min"},
    Single{"clamp_min.ScalarList", "aten::clamp_min"},
    Single{"clamp_min.List", "aten::clamp_min.Tensor"},
    Single{"maximum.Scalar", "aten::clamp_min"},
    Single{"maximum.ScalarList", "aten::clamp_min"},
    Single{"maximum.List", "aten::maximum"},
    Single{"minimum.Scalar", "aten::clamp_max"},
    Single{"minimum.ScalarList", "aten::clamp_max"},
    Single{"minimum.List", "aten::minimum"},
    Single{"addcdiv.Scalar", "aten::addcdiv"},
    Single{"addcdiv.ScalarList", "aten::addcdiv"},
    Single{"addcdiv.Tensor", "aten::addcdiv"},
    Single{"addcmul.Scalar", "aten::addcmul"},
    Single{"addcmul.ScalarList", "aten::addcmul"},
    Single{"addcmul.Tensor", "aten::addcmul"},
    Single{"lerp.List", "aten::lerp.Tensor"},
    Single{"lerp.ScalarList", "aten::lerp.Scalar"},
    Single{"pow.List", "aten::pow.Tensor_Tensor"},
    Single{"pow.Scalar", "aten::pow.Tensor_Scalar"},
    Single{"pow.ScalarList", "aten::pow.Tensor_Scalar"},
    Single{"pow.ScalarAndTensor", "aten::pow.Scalar"},
    Single{"norm.Scalar", "aten::linalg_vector_norm"},
};

std::string name_of_single(std::string_view name) {
  name.remove_prefix(std::string_view("aten::_foreach_").size());
  std::string list(name.substr(0, name.find('.')));
  if (list.ends_with('_')) list.pop_back();
  if (name.find('.') != std::string_view::npos) list += name.substr(name.find('.'));
  const auto* found = std::ranges::find(kSingles, list, &Single::list);
  return found == kSingles.end() ? "aten::" + list : found->single;
}

size_t length_of(const Argument& argument) {
  const auto* list = std::get_if<std::vector<Tensor>>(&argument);
  return list == nullptr ? 0 : list->size();
}

// The argument of the call for tensor number `index`.
Argument item(const Argument& argument, size_t index, size_t length) {
  const auto of_list = [&](const auto& list) -> Argument {
    require(list.size() == length, "lists of unlike lengths");
    return list[index];
  };
  if (const auto* list = std::get_if<std::vector<Tensor>>(&argument)) return of_list(*list);
  if (const auto* list = std::get_if<std::vector<Number>>(&argument)) return of_list(*list);
  return argument;
}

const Tensor& target(const Lowering& lowering, size_t index) {
  if (lowering.output_count() > 0) return lowering.output(index);  // in place gives nothing back
  return lowering.tensors(0)[index];
}

using Arguments = std::vector<Argument>;

// Lowers a call per tensor, with these arguments.
template <class ArgumentsOf>
void for_each(Lowering& lowering, ArgumentsOf arguments_of) {
  const OpCall& call = lowering.call();
  const std::string name = name_of_single(call.name);
  const Row row = OpTable::instance().find(name);
  if (row == nullptr) decline("no row for " + name);
  size_t length = 0;
  for (const Argument& argument : call.args) length = std::max(length, length_of(argument));
  for (size_t i = 0; i < length; ++i) {
    OpCall single;
    single.name = name;
    single.default_dtype = call.default_dtype;
    single.number = call.number;
    for (const Argument& argument : call.args) single.args.push_back(item(argument, i, length));
    arguments_of(single.args, i);
    single.outputs.push_back(target(lowering, i));
    Lowering of_one(lowering.builder(), single);
    row(of_one);
  }
}

void pointwise(Lowering& lowering) {
  for_each(lowering, [](Arguments&, size_t) {});
}

void with_alpha(Lowering& lowering) {
  for_each(lowering, [](Arguments& args, size_t) {
    if (args.size() > 2) return;
    Number one;
    one.integer = 1;
    args.emplace_back(one);
  });
}

// The factors of addcmul and addcdiv are the elements of one tensor.
void with_factors(Lowering& lowering) {
  for_each(lowering, [](Arguments& args, size_t index) {
    const Tensor& factors = std::get<Tensor>(args.at(3));
    require(factors.rank() == 1 && !factors.host, "factors of another form");
    args[3] = select(factors, 0, static_cast<int64_t>(index));
  });
}

// (tensors, ord, dtype) to (tensor, ord, dim, keepdim, dtype)
void norm(Lowering& lowering) {
  for_each(lowering, [](Arguments& args, size_t) {
    args.insert(args.begin() + 2, {None{}, false});
  });
}

void zero(Lowering& lowering) {
  for (size_t i = 0; i < lowering.tensors(0).size(); ++i) fill(lowering, target(lowering, i), 0);
}

void clone(Lowering& lowering) {
  const auto sources = lowering.tensors(0);
  for (size_t i = 0; i < sources.size(); ++i) copy(lowering, sources[i], target(lowering, i));
}

void copy_lists(Lowering& lowering) {
  const auto sources = lowering.tensors(1);
  require(sources.size() == lowering.tensors(0).size(), "lists of unlike lengths");
  for (size_t i = 0; i < sources.size(); ++i) copy(lowering, sources[i], target(lowering, i));
}

}  // namespace

void add_foreach_rows(OpTable& table) {
  // Functional and in place.
  table.add({"_foreach_add.Scalar", "_foreach_add_.Scalar", "_foreach_add.ScalarList",
             "_foreach_add_.ScalarList", "_foreach_add.List", "_foreach_add_.List",
             "_foreach_add.Tensor", "_foreach_add_.Tensor", "_foreach_sub.Scalar",
             "_foreach_sub_.Scalar", "_foreach_sub.ScalarList", "_foreach_sub_.ScalarList",
             "_foreach_sub.List", "_foreach_sub_.List"},
            with_alpha);
  for (const char* name : {"mul", "div", "clamp_max", "clamp_min", "maximum", "minimum", "pow"}) {
    const std::string functional = std::string("_foreach_") + name;
    for (const char* overload : {".Scalar", ".ScalarList", ".List"}) {
      table.add({(functional + overload).c_str(), (functional + "_" + overload).c_str()},
                pointwise);
    }
  }
  table.add({"_foreach_mul.Tensor", "_foreach_mul_.Tensor", "_foreach_div.Tensor",
             "_foreach_div_.Tensor", "_foreach_pow.ScalarAndTensor"},
            pointwise);
  for (const char* name : {"addcmul", "addcdiv"}) {
    const std::string functional = std::string("_foreach_") + name;
    for (const char* overload : {".Scalar", ".ScalarList"}) {
      table.add({(functional + overload).c_str(), (functional + "_" + overload).c_str()},
                pointwise);
    }
    table.add({(functional + ".Tensor").c_str(), (functional + "_.Tensor").c_str()}, with_factors);
  }
  for (const char* overload : {".List", ".Scalar", ".ScalarList"}) {
    table.add({(std::string("_foreach_lerp") + overload).c_str(),
               (std::string("_foreach_lerp_") + overload).c_str()},
              pointwise);
  }
  for (const char* name :
       {"abs",   "acos", "asin",  "atan",       "ceil",  "cos",    "cosh",    "erf",
        "erfc",  "exp",  "expm1", "floor",      "frac",  "lgamma", "log",     "log10",
        "log1p", "log2", "neg",   "reciprocal", "round", "rsqrt",  "sigmoid", "sign",
        "sin",   "sinh", "sqrt",  "tan",        "tanh",  "trunc"}) {
    const std::string functional = std::string("_foreach_") + name;
    table.add({functional.c_str(), (functional + "_").c_str()}, pointwise);
  }
  table.add({"_foreach_max", "_foreach_mm"}, pointwise);
  table.add({"_foreach_norm.Scalar"}, norm);
  table.add({"_foreach_zero_"}, zero);
  table.add({"_foreach_clone"}, clone);
  table.add({"_foreach_copy_", "_foreach_copy"}, copy_lists);
}

}  // namespace trireme::graph
