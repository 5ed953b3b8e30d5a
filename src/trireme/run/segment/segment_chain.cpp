// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/segment/segment_chain.h"

#include <unordered_map>
#include <unordered_set>

namespace trireme::run {
namespace {

constexpr uint32_t kSeenToJoin = 4;
// A joined segment is known at its second entry; more of them have symbols fitted to their sizes.
constexpr uint32_t kEntries = 8;
constexpr size_t kBorders = 4096;

}  // namespace

SegmentLog join(std::span<const ChainPiece> pieces) {
  SegmentLog joined;
  std::unordered_map<uint64_t, LogId> numbers;
  for (const ChainPiece& piece : pieces) joined.extend(piece.log, piece.storages, numbers);
  for (const ChainPiece& piece : pieces) {
    for (const uint64_t id : piece.released) {
      if (const auto found = numbers.find(id); found != numbers.end()) joined.mark(found->second);
    }
  }
  return joined;
}

bool SegmentChain::joins(const ChainPiece& first, const ChainPiece& second) {
  if (borders_.size() >= kBorders) borders_.clear();
  Border& border = borders_[{first.known, second.known}];
  ++border.seen;
  if (first.ahead >= second.items) ++border.together;
  // Three times of four.
  if (border.seen < kSeenToJoin || border.together * 4 < border.seen * 3) return false;
  return border.joined++ < kEntries;
}

std::vector<SegmentLog> SegmentChain::end() {
  std::vector<SegmentLog> joined;
  size_t begin = 0;
  size_t items = 0;
  const auto finish = [&](size_t end) {
    if (end - begin > 1) joined.push_back(join(std::span(pieces_).subspan(begin, end - begin)));
    begin = end;
    items = 0;
  };
  for (size_t i = 0; i < pieces_.size(); ++i) {
    if (i > 0 && (!joins(pieces_[i - 1], pieces_[i]) || items + pieces_[i].items > most_)) {
      finish(i);
    }
    items += pieces_[i].items;
  }
  finish(pieces_.size());
  pieces_.clear();
  return joined;
}

}  // namespace trireme::run
