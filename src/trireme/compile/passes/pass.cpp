// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/passes/pass.h"

#include <algorithm>
#include <array>

#include "trireme/compile/code/code.h"
#include "trireme/compile/passes/accumulate_scatters.h"
#include "trireme/compile/passes/canonicalise.h"
#include "trireme/compile/passes/choose_layouts.h"
#include "trireme/compile/passes/elide_stores.h"
#include "trireme/compile/passes/eliminate_common.h"
#include "trireme/compile/passes/eliminate_dead.h"
#include "trireme/compile/passes/fold_constants.h"
#include "trireme/compile/passes/forward_copies.h"
#include "trireme/compile/passes/fuse_epilogues.h"
#include "trireme/compile/passes/recompute.h"
#include "trireme/compile/passes/reduce_products.h"
#include "trireme/compile/passes/simplify.h"
#include "trireme/graph/check/verify.h"

namespace trireme::compile {

std::span<const Pass> passes() {
  static constexpr std::array kAll{
      Pass{"fold_constants", fold_constants},
      Pass{"simplify", simplify},
      Pass{"elide_stores", elide_stores},
      Pass{"forward_copies", forward_copies},
      Pass{"canonicalise", canonicalise},
      Pass{"eliminate_common", eliminate_common},
      Pass{"reduce_products", reduce_products},
      Pass{"accumulate_scatters", accumulate_scatters},
      Pass{"recompute", recompute},
      Pass{"eliminate_dead", eliminate_dead},
      Pass{"fuse_epilogues", fuse_epilogues},
      Pass{"choose_layouts", choose_layouts},
  };
  return kAll;
}

std::vector<std::string_view> switches() {
  std::vector<std::string_view> names;
  for (const Pass& pass : passes()) {
    // Without it some products would be nobody's.
    if (pass.name != "reduce_products") names.push_back(pass.name);
  }
  names.push_back(kFuse);
  names.push_back(kPackWeights);
  names.push_back(kScheduleForMemory);
  names.push_back(kTryLibraries);
  return names;
}

bool is_off(const std::vector<std::string>& off, std::string_view name) {
  return std::ranges::find(off, name) != off.end();
}

void optimise(graph::Graph& graph, const PassOptions& options) {
  const auto known = switches();
  for (const std::string& name : options.off) {
    if (std::ranges::find(known, name) != known.end()) continue;
    std::string message = "no pass that can be switched off is named " + name + "; there are";
    for (const std::string_view one : known) message += " " + std::string(one);
    throw CompileError(message);
  }
  for (const Pass& pass : passes()) {
    if (is_off(options.off, pass.name)) continue;
    pass.run(graph);
    if (options.pace != nullptr) options.pace->rest();
    if (!options.verify) continue;
    const auto problems = graph::verify(graph);
    if (problems.empty()) continue;
    throw CompileError("the pass " + std::string(pass.name) +
                       " broke the graph: " + problems.front());
  }
}

}  // namespace trireme::compile
