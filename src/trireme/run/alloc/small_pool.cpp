// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/alloc/small_pool.h"

#include <algorithm>

namespace trireme::run {

static_assert(small_class_bytes(kSmallClasses - 1) == kSmallMost);
static_assert(small_class(kSmallMost) == kSmallClasses - 1);
static_assert(small_class(1025) == 16 && small_class_bytes(16) == 1280);

namespace {

constexpr uint32_t kSlabsOpened = static_cast<uint32_t>((size_t{64} << 20) / kSlabBytes);

}  // namespace

SmallPool::SmallPool(AddressRange& range, size_t offset, size_t bytes)
    : range_(range),
      offset_(offset),
      limit_(static_cast<uint32_t>(bytes / kSlabBytes)),
      slabs_(static_cast<Slab*>(map_sparse(limit_ * sizeof(Slab)))) {
  partial_.fill(kNone);
}

SmallPool::~SmallPool() { unmap(slabs_, limit_ * sizeof(Slab)); }

void SmallPool::link(uint32_t& head, uint32_t id) {
  slabs_[id].previous = kNone;
  slabs_[id].next = head;
  if (head != kNone) slabs_[head].previous = id;
  head = id;
}

void SmallPool::unlink(uint32_t& head, uint32_t id) {
  const Slab& slab = slabs_[id];
  if (slab.previous == kNone) {
    head = slab.next;
  } else {
    slabs_[slab.previous].next = slab.next;
  }
  if (slab.next != kNone) slabs_[slab.next].previous = slab.previous;
}

void SmallPool::touch(Slab& slab, uint32_t end) {
  const auto pages = static_cast<uint32_t>((end + kPageBytes - 1) / kPageBytes * kPageBytes);
  resident_ += pages - slab.touched;
  slab.touched = pages;
}

uint32_t SmallPool::new_slab() {
  if (empty_ != kNone) {
    const uint32_t id = empty_;
    unlink(empty_, id);
    return id;
  }
  if (frontier_ == limit_) return kNone;
  if (frontier_ == opened_) {
    const uint32_t more = std::min(kSlabsOpened, limit_ - opened_);
    const size_t start = offset_ + opened_ * kSlabBytes;
    if (!range_.open(start, more * kSlabBytes)) return kNone;
    range_.huge(start, more * kSlabBytes, false);
    opened_ += more;
  }
  return frontier_++;
}

size_t SmallPool::allocate_from_new_slab(uint32_t size_class) {
  const uint32_t id = new_slab();
  if (id == kNone) return kNowhere;
  Slab& slab = slabs_[id];
  const auto bytes = static_cast<uint32_t>(small_class_bytes(size_class));
  slab.size_class = size_class;
  slab.block_bytes = bytes;
  slab.reciprocal = static_cast<uint32_t>((uint64_t{1} << 32) / (bytes / kSmallAlign) +
                                          (bytes == kSmallAlign ? -1 : 1));
  slab.capacity = kSlabBytes / bytes;
  slab.used = 0;
  const uint32_t words = slab.capacity / 64;
  std::fill_n(slab.free.begin(), words, ~uint64_t{0});
  slab.words_with_free = words == 64 ? ~uint64_t{0} : (uint64_t{1} << words) - 1;
  if (const uint32_t rest = slab.capacity % 64; rest != 0) {
    slab.free[words] = (uint64_t{1} << rest) - 1;
    slab.words_with_free |= uint64_t{1} << words;
  }
  link(partial_[size_class], id);
  return take(id, slab);
}

SmallPool::Place SmallPool::place(size_t offset) const {
  const size_t id = offset / kSlabBytes;
  if (id >= frontier_) return {nullptr, 0};
  Slab& slab = slabs_[id];
  if (slab.block_bytes == 0) return {nullptr, 0};
  const auto inside = static_cast<uint32_t>(offset % kSlabBytes);
  const uint32_t lines = inside / kSmallAlign;
  const uint32_t block = slab.block_bytes == kSmallAlign
                             ? lines
                             : static_cast<uint32_t>(uint64_t{lines} * slab.reciprocal >> 32);
  const bool starts = block * slab.block_bytes == inside && block < slab.capacity;
  if (!starts || (slab.free[block / 64] >> block % 64 & 1) != 0) return {nullptr, 0};
  return {&slab, block};
}

size_t SmallPool::block_bytes(size_t offset) const {
  const Place found = place(offset);
  return found.slab == nullptr ? 0 : found.slab->block_bytes;
}

size_t SmallPool::free(size_t offset) {
  const auto [found, block] = place(offset);
  if (found == nullptr) return 0;
  Slab& slab = *found;
  const size_t bytes = slab.block_bytes;
  const auto id = static_cast<uint32_t>(offset / kSlabBytes);
  uint32_t& head = partial_[slab.size_class];
  slab.free[block / 64] |= uint64_t{1} << block % 64;
  slab.words_with_free |= uint64_t{1} << block / 64;
  if (slab.used-- == slab.capacity) link(head, id);
  // One empty slab stays with its class, so that a block taken and given back by turns costs no
  // set-up.
  const bool alone = slab.previous == kNone && slab.next == kNone;
  if (slab.used == 0 && !alone) {
    unlink(head, id);
    slab.block_bytes = 0;
    link(empty_, id);
  }
  return bytes;
}

bool SmallPool::purge(uint32_t id) {
  Slab& slab = slabs_[id];
  if (slab.touched == 0) return false;
  range_.purge(offset_ + id * kSlabBytes, slab.touched);
  resident_ -= slab.touched;
  slab.touched = 0;
  ++purges_;
  return true;
}

size_t SmallPool::trim(size_t bytes) {
  const size_t before = resident_;
  for (uint32_t id = empty_; id != kNone && before - resident_ < bytes; id = slabs_[id].next) {
    purge(id);
  }
  for (const uint32_t head : partial_) {
    for (uint32_t id = head; id != kNone && before - resident_ < bytes; id = slabs_[id].next) {
      if (slabs_[id].used == 0) purge(id);
    }
  }
  return before - resident_;
}

}  // namespace trireme::run
