// SPDX-License-Identifier: Apache-2.0
// The generator's names in this room.
#pragma once

#include "trireme/base/philox.h"

namespace trireme::run {

using base::kPhiloxStride;
using base::PhiloxBlock;
using base::PhiloxState;
namespace philox = base::philox;

}  // namespace trireme::run
