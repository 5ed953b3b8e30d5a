# SPDX-License-Identifier: Apache-2.0
"""The best rates that this machine reaches, measured: products, convolutions, memory.

A product is tried with each library that PyTorch brings: MKL (torch.matmul) and oneDNN (the op that
torch.compile calls for it, with weights as they are and packed).
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from math import prod
from typing import Any

import torch

LEAST_REPEATS = 3
TRIAD_ELEMENTS = 24 * 2**20  # 96 MiB an array: far beyond the caches


def best_seconds(call: Callable[[], object], seconds: float) -> float:
    """Of as many calls as `seconds` suffice for."""
    call()
    best, repeats, end = float("inf"), 0, time.perf_counter() + seconds
    while repeats < LEAST_REPEATS or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
        repeats += 1
    return best


def product_rates(shape: list[int], dtype: torch.dtype, seconds: float) -> dict[str, float]:
    """FLOP/s of [m, k] x [k, n], by library and shape; a library that refuses is left out."""
    m, k, n = shape
    x, weight = torch.randn(m, k, dtype=dtype), torch.randn(n, k, dtype=dtype)
    onednn = torch.ops.mkldnn
    calls: dict[str, Callable[[], object]] = {
        "torch.matmul": lambda: x @ weight.t(),
        "oneDNN": lambda: onednn._linear_pointwise(x, weight, None, "none", [], ""),
    }
    packed = onednn._reorder_linear_weight(weight, m)
    calls["oneDNN, packed,"] = lambda: onednn._linear_pointwise(x, packed, None, "none", [], "")
    found = {}
    for name, call in calls.items():
        try:
            found[f"{name} {m}x{k}x{n}"] = 2 * prod(shape) / best_seconds(call, seconds)
        except RuntimeError:
            continue
    return found


def convolution_rate(shape: dict[str, Any], dtype: torch.dtype, seconds: float) -> float:
    """FLOP/s, of the better memory format."""
    x, weight = torch.randn(shape["input"], dtype=dtype), torch.randn(shape["weight"], dtype=dtype)

    def rate(memory_format: torch.memory_format) -> float:
        images = x.contiguous(memory_format=memory_format)
        filters = weight.contiguous(memory_format=memory_format)
        options = (shape["stride"], shape["padding"], shape["dilation"], shape["groups"])
        call = functools.partial(torch.conv2d, images, filters, None, *options)
        return shape["flops"] / best_seconds(call, seconds)

    return max(map(rate, (torch.contiguous_format, torch.channels_last)))


def triad(seconds: float) -> float:
    """Bytes a second of a = b + s * c, each array counted once (McCalpin's STREAM)."""
    b, c = torch.ones(TRIAD_ELEMENTS), torch.ones(TRIAD_ELEMENTS)
    a = torch.empty(TRIAD_ELEMENTS)
    taken = best_seconds(lambda: torch.add(b, c, alpha=3.0, out=a), seconds)
    return 3 * TRIAD_ELEMENTS * a.element_size() / taken


@torch.no_grad()
def measure(wanted: dict[str, Any]) -> dict[str, Any]:
    """The best rates of some shapes.

    `wanted`: `dtype` by name, the shapes `product` and `convolution` of facts, or null, `square`,
    the size of one more product, and `seconds` to try each.
    """
    dtype = getattr(torch, wanted["dtype"])
    seconds = wanted["seconds"]
    rates = product_rates([wanted["square"]] * 3, dtype, seconds)
    if wanted["product"]:
        rates |= product_rates(wanted["product"], dtype, seconds)
    if wanted["convolution"]:
        rates["convolution"] = convolution_rate(wanted["convolution"], dtype, seconds)
    return {
        "dtype": wanted["dtype"],
        "flops_per_second": rates,
        "bytes_per_second": triad(seconds),
    }
