# SPDX-License-Identifier: Apache-2.0
"""What CUDA programs may call works where the CPU refuses it: the table of widen.cpp."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map

from trireme import _C

DEVICE = "trireme"
REPOSITORY = Path(__file__).resolve().parents[2]
REFUSALS = (NotImplementedError, RuntimeError)

DTYPES = {
    "kHalf": [torch.float16],
    "kBFloat": [torch.bfloat16],
    "kComplexHalf": [torch.complex32],
    "kBool": [torch.bool],
    "kIntegers": [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64],
}
WIDER = {
    torch.float16: torch.float32,
    torch.bfloat16: torch.float32,
    torch.complex32: torch.complex64,
    torch.bool: torch.uint8,
    **dict.fromkeys(DTYPES["kIntegers"], torch.float64),
}
# op_db's name of an ATen op, where it is another; None: tested by its forward op's gradient.
OPINFO_NAMES: dict[str, str | None] = {
    "avg_pool3d": "nn.functional.avg_pool3d",
    "multi_margin_loss": "nn.functional.multi_margin_loss",
    "multilabel_margin_loss_forward": "nn.functional.multilabel_margin_loss",
    "rrelu_with_noise": "nn.functional.rrelu",
    "_upsample_bicubic2d_aa": None,  # none in op_db: test_bicubic
}


def rows() -> Iterator[tuple[str, list[torch.dtype]]]:
    text = (REPOSITORY / "src/trireme/device/widen.cpp").read_text()
    for op, mask in re.findall(r'Row\{"(\w+)",\s+([\w |]+),\s+".+?"\}', text):
        yield op, [dtype for name in mask.split(" | ") for dtype in DTYPES[name]]


ROWS = dict(rows())


def infos(op: str) -> list[Any]:
    name = OPINFO_NAMES.get(op, op.replace("fft_", "fft.", 1) if op.startswith("fft_") else op)
    return [
        info
        for info in op_db
        if info.name == name and info.variant_test_name in ("", "no_rounding_mode")
    ]


FORWARD = [
    pytest.param(op, dtype, id=f"{op}-{str(dtype).removeprefix('torch.')}")
    for op, dtypes in ROWS.items()
    for dtype in dtypes
    if infos(op)
]
BACKWARD = [
    pytest.param(op, dtype, id=f"{op}-{str(dtype).removeprefix('torch.')}")
    for op, dtypes in ROWS.items()
    for dtype in dtypes
    if infos(op)
    and (dtype.is_floating_point or dtype.is_complex)
    and infos(op)[0].supports_autograd
]


def cast(value: Any, dtype: torch.dtype, to: torch.dtype) -> Any:
    def one(item: Any) -> Any:
        if isinstance(item, torch.Tensor) and item.dtype == dtype:
            return item.detach().to(to)
        return to if item is dtype else item

    return tree_map(one, value)


def move(value: Any, device: str) -> Any:
    return tree_map(lambda x: x.detach().to(device) if isinstance(x, torch.Tensor) else x, value)


def samples(
    op: str, dtype: torch.dtype, most: int = 8
) -> Iterator[tuple[Callable[..., Any], Any, Any]]:
    """Calls with arguments on the CPU."""
    for info in infos(op):
        for number, sample in enumerate(info.sample_inputs("cpu", dtype)):
            if number == most:
                break
            yield info.op, (sample.input, *sample.args), sample.kwargs


def is_random(op: str, kwargs: dict[str, Any]) -> bool:
    return op == "rrelu_with_noise" and kwargs.get("training", False)


@pytest.mark.parametrize(("op", "dtype"), FORWARD)
def test_forward_is_the_widened_computation(op: str, dtype: torch.dtype) -> None:
    refused = 0
    for function, args, kwargs in samples(op, dtype):
        try:
            function(*args, **kwargs)
        except REFUSALS:
            refused += 1
        try:
            expected = function(
                *cast(args, dtype, WIDER[dtype]), **cast(kwargs, dtype, WIDER[dtype])
            )
        except REFUSALS:
            continue  # not a call that any dtype allows
        actual = function(*move(args, DEVICE), **move(kwargs, DEVICE))
        if is_random(op, kwargs):
            assert actual.dtype == dtype
            continue
        for a, b in zip(tree_flatten(expected)[0], tree_flatten(actual)[0], strict=True):
            assert a.shape == b.shape
            narrow = a.to(b.dtype)
            if dtype == torch.complex32 and b.is_complex():
                narrow, b = torch.view_as_real(narrow), torch.view_as_real(b.cpu())
            torch.testing.assert_close(b.cpu(), narrow, rtol=0, atol=0, equal_nan=True)
    assert refused, "the CPU has it now: take the row out"


@pytest.mark.parametrize(("op", "dtype"), FORWARD)
def test_result_dtype_is_the_arguments(op: str, dtype: torch.dtype) -> None:
    real_of = {torch.complex32: torch.float16}
    for function, args, kwargs in samples(op, dtype, most=2):
        result = tree_leaves(function(*move(args, DEVICE), **move(kwargs, DEVICE)))[0]
        if op.startswith("fft_"):
            expected = (
                torch.float16
                if "irfft" in op or "hfft" in op.replace("ihfft", "")
                else torch.complex32
            )
        elif op == "trace" and dtype == torch.bool:
            expected = torch.int64
        elif op == "angle":
            expected = real_of[dtype]
        else:
            expected = dtype
        assert result.dtype == expected


@pytest.mark.parametrize(("op", "dtype"), BACKWARD)
def test_gradient(op: str, dtype: torch.dtype) -> None:
    def gradients(function: Callable[..., Any], args: Any, kwargs: Any) -> list[torch.Tensor]:
        leaves = [
            x.requires_grad_() for x in tree_leaves((args, kwargs))
            if isinstance(x, torch.Tensor) and (x.is_floating_point() or x.is_complex())
        ]  # fmt: skip
        out = tree_leaves(function(*args, **kwargs))[0]
        (out.abs() if out.is_complex() else out).float().sum().backward()
        return [x.grad.cpu().resolve_conj() for x in leaves if x.grad is not None]

    for function, args, kwargs in samples(op, dtype, most=4):
        if is_random(op, kwargs):
            continue
        wide = WIDER[dtype]
        expected = gradients(function, cast(args, dtype, wide), cast(kwargs, dtype, wide))
        actual = gradients(function, move(args, DEVICE), move(kwargs, DEVICE))
        for a, b in zip(expected, actual, strict=True):
            assert b.dtype == dtype or b.dtype == a.dtype
            tolerance = 0.05 if dtype == torch.bfloat16 else 0.02
            b = b.to(a.dtype)
            # What overflows float16 on the way does so on any device.
            sound = torch.isfinite(a) & torch.isfinite(b) & (a.abs() < 1000)
            torch.testing.assert_close(b[sound], a[sound], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_antialiased_resizing(mode: str, dtype: torch.dtype) -> None:
    def run(x: torch.Tensor) -> list[torch.Tensor]:
        x.requires_grad_()
        y = torch.nn.functional.interpolate(x, size=(5, 3), mode=mode, antialias=True)
        y.float().square().sum().backward()
        assert x.grad is not None
        return [y.detach().cpu(), x.grad.cpu()]

    image = torch.rand(2, 3, 8, 8).to(dtype)
    (a, grad_a), (b, grad_b) = run(image.float()), run(image.to(DEVICE))
    assert b.dtype == grad_b.dtype == dtype
    assert torch.equal(a.to(dtype), b)
    torch.testing.assert_close(grad_b.float(), grad_a, rtol=0.05, atol=0.05)


def test_histc_of_integers() -> None:
    labels = torch.tensor([0, 1, 1, 5, 9, 3], device=DEVICE)
    counts = torch.histc(labels, bins=10, min=0, max=9)
    assert counts.dtype == torch.int64
    assert counts.tolist() == [1, 2, 0, 1, 0, 1, 0, 0, 0, 1]
    out = torch.empty(0, dtype=torch.int64, device=DEVICE)
    torch.histc(labels, bins=10, min=0, max=9, out=out)
    assert torch.equal(out, counts)


def test_in_place_and_out() -> None:
    x = torch.tensor([0.5 + 1j, 2 - 1j], dtype=torch.complex64)
    y = x.to(torch.complex32).to(DEVICE)
    assert y.cos_() is y
    assert torch.equal(y.cpu().to(torch.complex64), x.cos().to(torch.complex32).to(torch.complex64))
    out = torch.empty(0, dtype=torch.complex32, device=DEVICE)
    z = x.to(torch.complex32).to(DEVICE)
    assert torch.exp(z, out=out) is out
    assert torch.equal(
        out.cpu().to(torch.complex64), x.exp().to(torch.complex32).to(torch.complex64)
    )
    z /= 2
    assert z.dtype == torch.complex32


def test_wider_arguments_decide_the_result() -> None:
    x = torch.ones(2, dtype=torch.complex32, device=DEVICE)
    assert (x / torch.ones(2, dtype=torch.complex64, device=DEVICE)).dtype == torch.complex64
    assert (x / torch.ones((), dtype=torch.complex64, device=DEVICE)).dtype == torch.complex32
    assert (x / 2).dtype == torch.complex32
    assert x.sum(dtype=torch.complex64).dtype == torch.complex64
    assert (
        torch.ones(2, dtype=torch.complex64, device=DEVICE).sum(dtype=torch.complex32).dtype
        == torch.complex32
    )


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128, torch.complex32])
def test_nansum_of_complex_numbers(dtype: torch.dtype) -> None:
    x = torch.tensor([[1 + 2j, complex("nan+1j")], [3, complex("1+nanj")]], dtype=torch.complex64)
    y = x.to(dtype).to(DEVICE)
    assert y.nansum().item() == 4 + 2j
    assert y.nansum(0).tolist() == [4 + 2j, 0]
    assert y.nansum(1, keepdim=True).shape == (2, 1)
    assert y.nansum().dtype == dtype
    assert torch.nanmean(y).item() == 2 + 1j


def test_a_widened_call_is_recorded_and_not_waited_for() -> None:
    x = torch.rand(1, 2, 4, 4, 4).half().to(DEVICE)

    def work() -> None:
        torch.nn.functional.avg_pool3d(x, 2)

    work()
    torch.accelerator.synchronize()
    before = _C.counters()
    work()
    after = _C.counters()
    assert after["calls"] - before["calls"] == 3  # there, the op, back
    assert after["awaited"] == before["awaited"]
    assert after["opaque"] == before["opaque"]


def test_every_row_is_documented() -> None:
    text = (REPOSITORY / "docs/gpu_coverage.md").read_text()
    assert len(ROWS) > 50
    assert [op for op in ROWS if f"`{op}`" not in text] == []


def test_every_row_is_tested() -> None:
    tested = {param.values[0] for param in FORWARD}
    gradients = {f"{op}_backward" for op in tested} | {"multilabel_margin_loss_backward"}
    by_hand = {"_upsample_bicubic2d_aa", "_upsample_bicubic2d_aa_backward"}
    assert set(ROWS) - tested - gradients - by_hand == set()
