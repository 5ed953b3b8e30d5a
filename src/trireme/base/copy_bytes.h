// SPDX-License-Identifier: Apache-2.0
// Copies of large memory, which cost page faults above all where the target is new.
#pragma once

#include <cstddef>

namespace trireme::base {

// As std::memcpy. A copy of a megabyte or more is made in pieces whose pages are asked for at once;
// where `helped`, a thread that is kept for it takes some of them: not beside other work, which
// that thread would only slow down. Any number of threads; one is helped at a time.
void copy_bytes(void* to, const void* from, size_t bytes, bool helped);

}  // namespace trireme::base
