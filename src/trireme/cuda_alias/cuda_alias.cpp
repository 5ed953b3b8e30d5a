// SPDX-License-Identifier: Apache-2.0
//
// Makes "cuda" the name of Trireme's device in a process started by `trireme run`.
//
// PyTorch refuses that name to PrivateUse1, and its parser would never get as far. So this small
// library puts itself in front of the two functions that decide: the parser of device strings, and
// the name of PrivateUse1. It is loaded with RTLD_GLOBAL before PyTorch, whose calls to them then
// end here. From then on "cuda" parses to the device and the device prints as "cuda", everywhere:
// in Python and C++, in files, in TorchScript, without any cost per call. Nothing of PyTorch is
// linked.

#include <c10/core/Device.h>
#include <dlfcn.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace {

constexpr std::array<std::string_view, 2> kNames = {"cuda", "trireme"};

// The parser in libc10: for every other device, and for its error messages.
using ParseDevice = void (*)(c10::Device*, const std::string&);

ParseDevice pytorch_parser() {
  static const auto parser = [] {
    void* library = dlopen("libc10.so", RTLD_LAZY | RTLD_NOLOAD);
    return library == nullptr
               ? nullptr
               : reinterpret_cast<ParseDevice>(dlsym(
                     library,
                     "_ZN3c106DeviceC1ERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE"));
  }();
  return parser;
}

// The index in "cuda:7", -1 in "cuda", nothing for what is not ours or not well formed.
std::optional<int> index_of_our_device(std::string_view text) {
  for (const std::string_view name : kNames) {
    if (!text.starts_with(name)) {
      continue;
    }
    text.remove_prefix(name.size());
    if (text.empty()) {
      return -1;
    }
    // one or two digits without a leading zero: whatever else there is, PyTorch's parser judges
    const bool digits = text.size() <= 3 && text.front() == ':' &&
                        text.find_first_not_of("0123456789", 1) == std::string_view::npos;
    if (!digits || text.size() < 2 || (text.size() == 3 && text[1] == '0')) {
      return std::nullopt;
    }
    return std::stoi(std::string(text.substr(1)));
  }
  return std::nullopt;
}

}  // namespace

namespace c10 {

Device::Device(const std::string& device_string) : Device(DeviceType::PrivateUse1) {
  if (const auto index = index_of_our_device(device_string)) {
    index_ = static_cast<DeviceIndex>(*index);
  } else if (const auto parse = pytorch_parser()) {
    parse(this, device_string);
  }
}

std::string get_privateuse1_backend(bool lower_case) { return lower_case ? "cuda" : "CUDA"; }

}  // namespace c10
