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


@pytest.mark.skipif(TARGET == "cpu", reason="the CPU records nothing")
@pytest.mark.parametrize(("op", "dtype"), test_ops.items((torch.float32,)))
def test_second_call_is_known(op: Any, dtype: torch.dtype) -> None:
    from trireme import _C

    if test_ops.full_name(op) == "to_sparse":
        pytest.skip("how large a sparse result is depends on the values")
    for label, sample in test_ops.samples_of(op, dtype, grad=False)[:2]:
        given = (sample.input, sample.args, sample.kwargs)
        misses = []
        for _ in range(4):
            inputs = test_ops.place(given, test_ops.DEVICE)
            synchronize()
            before = _C.counters()["cache_misses"]
            _, error = test_ops.execute(op, inputs, test_ops.DEVICE)
            if error is not None:
                break
            misses.append(_C.counters()["cache_misses"] - before)
        # A call that warned is not kept, and PyTorch warns once of what is deprecated.
        assert not any(misses[2:]), f"{label}: new forms in calls 1, 2, 3, 4: {misses}"
