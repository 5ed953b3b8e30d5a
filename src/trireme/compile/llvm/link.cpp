// SPDX-License-Identifier: Apache-2.0
#include "trireme/compile/llvm/link.h"

#include <llvm/ExecutionEngine/JITSymbol.h>
#include <llvm/ExecutionEngine/RuntimeDyld.h>
#include <llvm/Object/ObjectFile.h>
#include <llvm/Support/MemoryBuffer.h>

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>

#include "trireme/compile/llvm/module.h"

namespace trireme::compile {
namespace {

size_t page() { return static_cast<size_t>(::sysconf(_SC_PAGESIZE)); }
size_t whole_pages(size_t bytes) { return (bytes + page() - 1) / page() * page(); }

// One piece of memory, first code, then what is only read: as it will lie at its address.
class ImageMemory final : public llvm::RuntimeDyld::MemoryManager {
 public:
  bool needsToReserveAllocationSpace() override { return true; }
  void reserveAllocationSpace(uintptr_t code, llvm::Align /*code_align*/, uintptr_t read,
                              llvm::Align /*read_align*/, uintptr_t written,
                              llvm::Align /*written_align*/) override {
    code_bytes_ = whole_pages(code);
    read_end_ = code_bytes_ + whole_pages(read);
    // LLVM does not count the addresses of functions outside, which its stubs jump to: a page holds
    // 512 of them.
    bytes_.resize(read_end_ + whole_pages(written) + page() + page());
    // The image is moved by whole pages only, so that what is aligned here is aligned there.
    const auto start = reinterpret_cast<uintptr_t>(bytes_.data());
    first_ = whole_pages(start) - start;
    next_code_ = 0;
    next_read_ = code_bytes_;
    next_written_ = read_end_;
  }

  uint8_t* allocateCodeSection(uintptr_t size, unsigned align, unsigned /*id*/,
                               llvm::StringRef /*name*/) override {
    return take(next_code_, code_bytes_, size, align);
  }
  uint8_t* allocateDataSection(uintptr_t size, unsigned align, unsigned /*id*/,
                               llvm::StringRef name, bool read_only) override {
    // Of the table of addresses nothing is written any more once it is linked.
    writes_ |= !read_only && name != ".got";
    // Apart, as their sizes were told: one alignment for each kind.
    return read_only ? take(next_read_, read_end_, size, align)
                     : take(next_written_, bytes_.size() - page(), size, align);
  }
  void registerEHFrames(uint8_t* /*at*/, uint64_t /*load*/, size_t /*size*/) override {}
  void deregisterEHFrames() override {}
  bool finalizeMemory(std::string* /*error*/) override { return false; }

  struct Section {
    uint8_t* local;
    size_t offset;
  };
  const std::vector<Section>& sections() const { return sections_; }
  bool writes() const { return writes_; }
  size_t code_bytes() const { return code_bytes_; }
  std::vector<std::byte> take_bytes() {
    const auto* begin = bytes_.data() + first_;
    return {begin, begin + bytes_.size() - page()};
  }

 private:
  uint8_t* take(size_t& next, size_t end, size_t size, size_t align) {
    next = (next + align - 1) / align * align;
    // Null is LLVM's error.
    if (next + size > end) return nullptr;
    auto* local = reinterpret_cast<uint8_t*>(bytes_.data() + first_ + next);
    sections_.push_back({local, next});
    next += size;
    return local;
  }

  std::vector<std::byte> bytes_;
  size_t first_ = 0;
  size_t code_bytes_ = 0;
  size_t read_end_ = 0;
  size_t next_code_ = 0;
  size_t next_read_ = 0;
  size_t next_written_ = 0;
  bool writes_ = false;
  std::vector<Section> sections_;
};

class Resolver final : public llvm::LegacyJITSymbolResolver {
 public:
  explicit Resolver(std::span<const External> externals) : externals_(externals) {}

  llvm::JITSymbol findSymbol(const std::string& name) override {
    const auto found = std::ranges::find(externals_, name, &External::name);
    if (found == externals_.end()) return nullptr;
    return {found->address, llvm::JITSymbolFlags::Exported | llvm::JITSymbolFlags::Callable};
  }
  llvm::JITSymbol findSymbolInLogicalDylib(const std::string& /*name*/) override { return nullptr; }

 private:
  std::span<const External> externals_;
};

[[noreturn]] void fail(const std::string& what) { throw CompileError("kernel loader: " + what); }

}  // namespace

Image link_object(std::span<const std::byte> object, uint64_t base,
                  std::span<const External> externals) {
  const std::string_view code = object_code(object);
  const auto buffer =
      llvm::MemoryBuffer::getMemBufferCopy(llvm::StringRef(code.data(), code.size()));
  auto file = llvm::object::ObjectFile::createObjectFile(buffer->getMemBufferRef());
  if (!file) fail(llvm::toString(file.takeError()));
  ImageMemory memory;
  Resolver resolver(externals);
  llvm::RuntimeDyld linker(memory, resolver);
  const auto loaded = linker.loadObject(**file);
  if (linker.hasError()) fail(linker.getErrorString().str());
  for (const auto& section : memory.sections()) {
    linker.mapSectionAddress(section.local, base + section.offset);
  }
  linker.resolveRelocations();
  if (linker.hasError()) fail(linker.getErrorString().str());
  if (memory.writes()) fail("kernels with variables of their own");
  Image image;
  image.code_bytes = memory.code_bytes();
  for (const llvm::object::SymbolRef& symbol : (*file)->symbols()) {
    auto type = symbol.getType();
    auto name = symbol.getName();
    auto flags = symbol.getFlags();
    if (!type || !name || !flags) fail("damaged symbols");
    const bool global = (*flags & llvm::object::SymbolRef::SF_Global) != 0;
    const bool undefined = (*flags & llvm::object::SymbolRef::SF_Undefined) != 0;
    if (*type != llvm::object::SymbolRef::ST_Function || !global || undefined) continue;
    image.entries.emplace_back(name->str(), linker.getSymbol(*name).getAddress() - base);
  }
  image.bytes = memory.take_bytes();
  return image;
}

Module load_object(std::span<const std::byte> object, std::span<const External> callable) {
  AddressRange range(size_t{64} << 20U);
  const Image image = link_object(object, range.base(), callable);
  return {std::move(range), image};
}

}  // namespace trireme::compile
