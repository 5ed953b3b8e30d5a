# SPDX-License-Identifier: Apache-2.0
"""A call that was seen is known: issued again, its metadata comes from the cache.

This holds typed kernels to the boxed way: a form is always made from boxed arguments, and a typed
kernel that read them otherwise would never find it.
"""

from __future__ import annotations

from typing import Any

import pytest
import test_ops
import torch
from conftest import TARGET, synchronize

