// SPDX-License-Identifier: Apache-2.0
// Convolutions. The small side S (a convolution's output, a transposed one's input) and the large
// side L lie so that tap k of S's position s touches L's position s * stride - padding + k *
// dilation; the weight is [channels of S, channels of L in a group, taps...] for both kinds.
#include <vector>

#include "trireme/graph/interpret/nodes.h"

namespace trireme::graph {
namespace {

struct Side {
  Layout layout;  // [N, channels, spatial...]; of the weight: [S, L in a group, taps...]
  int64_t at(int64_t first, int64_t second, const std::vector<int64_t>& spatial) const {
    int64_t element = layout.offset + first * layout.strides[0] + second * layout.strides[1];
    for (size_t i = 0; i < spatial.size(); ++i) element += spatial[i] * layout.strides[i + 2];
    return element;
  }
  std::vector<int64_t> spatial() const { return {layout.sizes.begin() + 2, layout.sizes.end()}; }
};

// Counts through all positions of a box; false after the last.
bool next(std::vector<int64_t>& position, const std::vector<int64_t>& sizes) {
  for (size_t i = position.size(); i-- > 0;) {
    if (++position[i] < sizes[i]) return true;
    position[i] = 0;
  }
  return false;
}

bool empty(const std::vector<int64_t>& sizes) {
  for (const int64_t size : sizes) {
    if (size == 0) return true;
  }
  return false;
}

std::vector<int64_t> evaluate(const Extents& extents, const Inputs& inputs) {
  std::vector<int64_t> values;
  for (const Extent& extent : extents) values.push_back(extent.evaluate(inputs.symbols));
  return values;
}

class Taps {
 public:
  Taps(const NodeRun& run, const Convolve& convolve)
      : stride_(evaluate(convolve.stride, run.inputs)),
        padding_(evaluate(convolve.padding, run.inputs)),
        dilation_(evaluate(convolve.dilation, run.inputs)),
        groups_(convolve.groups.evaluate(run.inputs.symbols)) {}

  // Calls visit(S's element, L's element, the weight's) for all that belong together.
  template <class Visit>
  void each(const Side& small, const Side& large, const Side& weight, Visit visit) const {
    const std::vector<int64_t> positions = small.spatial();
    const std::vector<int64_t> taps = weight.spatial();
    const std::vector<int64_t> bounds = large.spatial();
    const int64_t small_channels = weight.layout.sizes[0];
    const int64_t in_group = weight.layout.sizes[1];
    if (empty(positions) || empty(taps)) return;
    for (int64_t n = 0; n < small.layout.sizes[0]; ++n) {
      for (int64_t s = 0; s < small_channels; ++s) {
        const int64_t group = s / (small_channels / groups_);
        for (int64_t l = 0; l < in_group; ++l) {
          std::vector<int64_t> position(positions.size());
          do {
            std::vector<int64_t> tap(taps.size());
            do {
              std::vector<int64_t> touched(taps.size());
              if (!touch(position, tap, bounds, touched)) continue;
              visit(small.at(n, s, position), large.at(n, group * in_group + l, touched),
                    weight.at(s, l, tap));
            } while (next(tap, taps));
          } while (next(position, positions));
        }
      }
    }
  }

 private:
  bool touch(const std::vector<int64_t>& position, const std::vector<int64_t>& tap,
             const std::vector<int64_t>& bounds, std::vector<int64_t>& touched) const {
    for (size_t i = 0; i < tap.size(); ++i) {
      touched[i] = position[i] * stride_[i] - padding_[i] + tap[i] * dilation_[i];
      if (touched[i] < 0 || touched[i] >= bounds[i]) return false;
    }
    return true;
  }

  std::vector<int64_t> stride_;
  std::vector<int64_t> padding_;
  std::vector<int64_t> dilation_;
  int64_t groups_;
};

}  // namespace

void run_convolve(NodeRun& run, const Convolve& convolve) {
  const Reader& first = run.operands[0];
  const Reader& second = run.operands[1];
  const Writer& to = run.results[0];
  const DType dtype = to.dtype;
  const size_t memory = to.bytes.size() / size_of(dtype);
  // Summed apart from the result, which may have a narrower type.
  std::vector<double> reals(is_complex(dtype) ? 0 : memory);
  std::vector<Complex> complexes(is_complex(dtype) ? memory : 0);
  const auto add = [&](int64_t target, int64_t a, int64_t b) {
    if (is_complex(dtype)) {
      complexes[static_cast<size_t>(target)] +=
          read_complex(first.dtype, first.at(a)) * read_complex(second.dtype, second.at(b));
    } else if (is_integral(dtype)) {
      reals[static_cast<size_t>(target)] +=
          static_cast<double>(read_integer(first.dtype, first.at(a))) *
          static_cast<double>(read_integer(second.dtype, second.at(b)));
    } else {
      reals[static_cast<size_t>(target)] +=
          read_real(first.dtype, first.at(a)) * read_real(second.dtype, second.at(b));
    }
  };
  const Side a{first.layout};
  const Side b{second.layout};
  const Side result{to.layout};
  const Taps taps(run, convolve);
  using Element = int64_t;
  if (convolve.kind == ConvolveKind::GradWeight) {
    // (grad of output, input)
    if (convolve.transposed) {
      taps.each(b, a, result, [&](Element s, Element l, Element w) { add(w, l, s); });
    } else {
      taps.each(a, b, result, [&](Element s, Element l, Element w) { add(w, s, l); });
    }
  } else if ((convolve.kind == ConvolveKind::Forward) != convolve.transposed) {
    // from the large side to the small one
    taps.each(result, a, b, [&](Element s, Element l, Element w) { add(s, l, w); });
  } else {
    taps.each(a, result, b, [&](Element s, Element l, Element w) { add(l, s, w); });
  }
  Points points(to.layout.sizes);
  std::vector<int64_t> elements;
  for (int64_t at = 0; at < points.count(); at += Points::kBlock) {
    points.move_to(at, std::min(Points::kBlock, points.count() - at));
    points.locate(to.layout, elements);
    for (const int64_t element : elements) {
      const auto i = static_cast<size_t>(element);
      if (is_complex(dtype)) {
        write_complex(dtype, to.at(element), complexes[i]);
      } else if (is_integral(dtype)) {
        write_integer(dtype, to.at(element), static_cast<int64_t>(reals[i]));
      } else {
        write_real(dtype, to.at(element), reals[i]);
      }
    }
  }
}

}  // namespace trireme::graph
