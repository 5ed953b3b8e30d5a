// SPDX-License-Identifier: Apache-2.0
#include "trireme/run/alloc/address_range.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <new>
#include <string>

namespace trireme::run {
namespace {

constexpr size_t kLeastBytes = size_t{64} << 20;

void* map(size_t bytes, int protection) {
  void* start =
      mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return start == MAP_FAILED ? nullptr : start;
}

// Leaves half of a limited address space to the rest of the process.
size_t within_address_space_limit(size_t bytes) {
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return bytes;
  return std::min<size_t>(bytes, limit.rlim_cur / 2);
}

}  // namespace

bool huge_pages_offered() {
  if (prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1) return false;
  std::string enabled;
  std::getline(std::ifstream("/sys/kernel/mm/transparent_hugepage/enabled"), enabled);
  size_t bytes = 0;
  std::ifstream("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size") >> bytes;
  const bool offered = enabled.find("[always]") != std::string::npos ||
                       enabled.find("[madvise]") != std::string::npos;
  return offered && bytes == kChunkBytes;
}

void* map_sparse(size_t bytes) {
  void* start = map(bytes, PROT_READ | PROT_WRITE);
  if (start == nullptr) throw std::bad_alloc();
  madvise(start, bytes, MADV_NOHUGEPAGE);
  return start;
}

void unmap(void* start, size_t bytes) noexcept {
  if (start != nullptr) munmap(start, bytes);
}

AddressRange::AddressRange(size_t bytes) {
  bytes = std::max(within_address_space_limit(bytes), kLeastBytes) / kChunkBytes * kChunkBytes;
  for (; bytes >= kLeastBytes; bytes = bytes / 2 / kChunkBytes * kChunkBytes) {
    mapping_ = map(bytes + kChunkBytes, PROT_NONE);
    if (mapping_ == nullptr) continue;
    mapping_bytes_ = bytes + kChunkBytes;
    const auto start = reinterpret_cast<uintptr_t>(mapping_);
    base_ = static_cast<std::byte*>(mapping_) + (kChunkBytes - start % kChunkBytes) % kChunkBytes;
    size_ = bytes;
    return;
  }
  throw std::bad_alloc();
}

AddressRange::~AddressRange() { unmap(mapping_, mapping_bytes_); }

bool AddressRange::open(size_t offset, size_t bytes) noexcept {
  return mprotect(base_ + offset, bytes, PROT_READ | PROT_WRITE) == 0;
}

bool AddressRange::purge(size_t offset, size_t bytes) noexcept {
  return madvise(base_ + offset, bytes, MADV_DONTNEED) == 0;
}

void AddressRange::huge(size_t offset, size_t bytes, bool wanted) noexcept {
  // Refused where the kernel has no huge pages: then there is nothing to ask for or forbid.
  madvise(base_ + offset, bytes, wanted ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

bool AddressRange::move_chunk(size_t from, size_t to) noexcept {
  if (!can_move_) return false;
  // DONTUNMAP (Linux 5.7) keeps the source mapped, and empty: no moment at which another thread's
  // mmap could land inside the range.
  void* moved = mremap(base_ + from, kChunkBytes, kChunkBytes,
                       MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, base_ + to);
  if (moved != MAP_FAILED) return true;
  can_move_ = false;
  // The kernel may have unmapped the target before it failed: put it back where it is missing.
  mmap(base_ + to, kChunkBytes, PROT_READ | PROT_WRITE,
       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
  return false;
}

}  // namespace trireme::run
