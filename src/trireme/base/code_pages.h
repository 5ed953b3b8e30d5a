// SPDX-License-Identifier: Apache-2.0
// Memory of code that nobody runs any more.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string_view>

namespace trireme::base {

// Unmaps the pages of code of the libraries whose file names begin so. What a library reads once,
// when it is loaded (symbols, the registration of thousands of ops), is counted as the process's
// memory from then on; what is run again comes back from the page cache, 16 pages for about a
// microsecond. Returns the bytes of the ranges; 0 under a debugger, whose breakpoints are in the
// pages. Any thread, while others run that code.
size_t release_code_pages(std::initializer_list<std::string_view> names);

}  // namespace trireme::base
