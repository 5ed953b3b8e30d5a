# SPDX-License-Identifier: Apache-2.0
"""Each row of the op table gives what PyTorch's kernel gives, over op_db."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("verify_rows.py")
SAMPLES = os.environ.get("TRIREME_TEST_SAMPLES", "6")

# dtype: how many ATen overloads must have been lowered and agreed, at the least.
OVERLOADS = {
    "float32": 370,
    "float64": 370,
    "bfloat16": 355,
    "float16": 355,
    "int64": 215,
    "bool": 160,
    "complex64": 190,
}

# The same, of those whose graphs are compiled and run.
COMPILED = {"float32": 270, "bfloat16": 240, "int64": 140, "bool": 90}

# What may differ, and why.
EXPECTED: dict[str, dict[str, str]] = {
    "float16": {
        "aten::soft_margin_loss": "ATen computes it in half precision, and overflows",
    },
    "complex64": {
        "aten::linalg_vector_norm": "ATen sums squares of complex numbers in float",
    },
}


def check(dtype: str, overloads: int, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), dtype, SAMPLES],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        env={**os.environ, "TRIREME_VERIFY": "1", "TRIREME_INTERVAL": "1", **environment},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    allowed = EXPECTED.get(dtype, {})
    wrong = {op: what[3] for op, what in seen.items() if what[1] and op not in allowed}
    assert not wrong
    agreed = [op for op, what in seen.items() if what[0]]
    assert len(agreed) >= overloads, sorted(agreed)


@pytest.mark.parametrize("dtype", OVERLOADS)
def test_rows(dtype: str, on_device: bool) -> None:
    if not on_device:
        pytest.skip("the op table is the device's")
    check(dtype, OVERLOADS[dtype])


@pytest.mark.parametrize("dtype", COMPILED)
def test_compiled_rows(dtype: str, on_device: bool) -> None:
    if not on_device:
        pytest.skip("the compiler is the device's")
    check(dtype, COMPILED[dtype], TRIREME_COMPILE="1")
