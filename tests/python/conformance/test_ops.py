# SPDX-License-Identifier: Apache-2.0
"""PyTorch's op_db on the device against the CPU: one item for each op and dtype, many samples in each."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import skips
import torch
from compare import compare_tensor, compare_tree, identities, sharing
from conftest import TARGET, synchronize
from geometry import LAYOUTS, Copier, fresh_values, is_strided, tensors_of
from torch.testing._internal import common_methods_invocations as catalogue
from torch.utils._pytree import tree_map

DTYPES = (
    torch.float32,
    torch.float64,
    torch.bfloat16,
    torch.int64,
    torch.bool,
    torch.complex64,
)
GRAD_DTYPES = (torch.float32, torch.float64, torch.complex64)
CAP = int(os.environ.get("TRIREME_TEST_SAMPLES", "10"))
DEVICE = torch.device(TARGET)

OPS = [
    *catalogue.op_db,
    *catalogue.foreach_unary_op_db,
    *catalogue.foreach_binary_op_db,
    *catalogue.foreach_pointwise_op_db,
    *catalogue.foreach_reduce_op_db,
    *catalogue.foreach_other_op_db,
]


def full_name(op: Any) -> str:
    return f"{op.name}.{op.variant_test_name}" if op.variant_test_name else str(op.name)


def items(dtypes: tuple[torch.dtype, ...], backward: bool = False) -> list[Any]:
    seen: set[str] = set()
    found = []
    for op in OPS:
        supported = op.supported_backward_dtypes("cpu") if backward else op.supported_dtypes("cpu")
        if backward and not op.supports_autograd:
            continue
        for dtype in dtypes:
            name = f"{full_name(op)}-{str(dtype).removeprefix('torch.')}"
            if dtype in supported and name not in seen:
                seen.add(name)
                found.append(pytest.param(op, dtype, id=name))
    return found


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(autouse=True)
def _meta_agrees() -> Iterator[None]:
    """With TRIREME_METADATA=check: what meta functions say is what the CPU did, errors included."""
    if os.environ.get("TRIREME_METADATA") != "check":
        yield
        return
    from trireme import _C

    before = len(_C.metadata_disagreements())
    yield
    found = _C.metadata_disagreements()[before:]
    assert not found, "\n".join(found[:5])


def spread(samples: list[Any], cap: int) -> list[Any]:
    """At most `cap` of the list, over its whole length."""
    if len(samples) <= cap:
        return samples
    return [samples[i * len(samples) // cap] for i in range(cap)]


def samples_of(op: Any, dtype: torch.dtype, grad: bool) -> list[tuple[str, Any]]:
    torch.manual_seed(0)
    try:
        plain = list(op.sample_inputs("cpu", dtype, requires_grad=grad))
    except Exception as error:  # the database itself cannot make them on the CPU
        pytest.skip(f"no samples on the CPU: {error}")
    chosen = spread(plain, CAP)
    cases = [(f"sample {i}", s) for i, s in enumerate(chosen)]
    for label, change in LAYOUTS.items():
        for sample in spread(chosen, 3):
            with contextlib.suppress(Exception):
                changed = sample.transform(
                    lambda t, change=change: change(t) if isinstance(t, torch.Tensor) else t
                )
                if _layout(changed) != _layout(sample):
                    cases.append((label, changed))
    return cases


def _layout(sample: Any) -> list[Any]:
    found = tensors_of((sample.input, sample.args, sample.kwargs))
    return [(t.stride(), t.storage_offset()) for t in found if is_strided(t)]


@dataclass
class Run:
    """The same call on the CPU and on the device, not yet compared."""

    label: str
    expected: Any = None
    actual: Any = None
    expected_inputs: Any = None
    actual_inputs: Any = None
    cpu_error: Exception | None = None
    device_error: Exception | None = None
    extra: list[str] = field(default_factory=list)


def attempt(call: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return call(), None
    except Exception as error:
        return None, error


def place(inputs: Any, target: torch.device, fill: Any = None, host_args: bool = False) -> Any:
    """Inputs on the target; devices among the arguments follow."""
    copier = Copier(target, fill)
    value, args, kwargs = copier(inputs)
    if host_args:  # an argument that has to lie on the CPU on every device
        args = Copier("cpu", fill)(inputs[1])
    args = tuple(target if isinstance(a, str) and a == "cpu" else a for a in args)
    if "device" in kwargs:
        kwargs = {**kwargs, "device": target}
    return value, args, kwargs


def execute(function: Any, inputs: Any, target: torch.device) -> tuple[Any, Exception | None]:
    value, args, kwargs = inputs
    if tensors_of(inputs) or "device" in kwargs or target.type == "cpu":
        return attempt(lambda: function(value, *args, **kwargs))

    def with_default() -> Any:
        with target:
            return function(value, *args, **kwargs)

    return attempt(with_default)


def issue(function: Any, sample: Any, label: str, fill: Any = None, host_args: bool = False) -> Run:
    run = Run(label)
    given = (sample.input, sample.args, sample.kwargs)
    run.expected_inputs = place(given, torch.device("cpu"), fill)
    run.actual_inputs = place(given, DEVICE, fill, host_args)
    torch.default_generator.manual_seed(0)
    run.expected, run.cpu_error = execute(function, run.expected_inputs, torch.device("cpu"))
    torch.default_generator.manual_seed(0)
    run.actual, run.device_error = execute(function, run.actual_inputs, DEVICE)
    return run


def check(run: Run, values: bool | str, late: bool) -> str | None:
    if run.cpu_error is not None:
        if run.device_error is None:
            try:
                synchronize()
                for t in tensors_of(run.actual):
                    t.cpu()
            except Exception as error:
                if late and isinstance(error, type(run.cpu_error)):
                    return None
                return f"CPU raises {describe(run.cpu_error)} at the call, the device late: {describe(error)}"
            return f"CPU raises {describe(run.cpu_error)}, the device does not"
        if type(run.device_error) is not type(run.cpu_error):
            return f"CPU raises {describe(run.cpu_error)}, the device {describe(run.device_error)}"
        return None
    if run.device_error is not None:
        return f"the device raises {describe(run.device_error)}"
    target = DEVICE if tensors_of(run.actual_inputs) else _device_of(run.actual)
    try:
        why = compare_tree(run.expected, run.actual, target, values)
        if why:
            return why
        for left, right in zip(run.expected_inputs, run.actual_inputs, strict=True):
            found = tensors_of(right)
            where = found[0].device if found else DEVICE
            why = compare_tree(left, right, where, values) if found else None
            if why:
                break
        if why:
            return f"inputs after the call: {why}"
    except Exception as error:
        return f"reading the result raises {describe(error)}"
    left = (run.expected_inputs, run.expected)
    right = (run.actual_inputs, run.actual)
    if sharing(left) != sharing(right):
        return f"aliasing {sharing(left)} on CPU, {sharing(right)} on the device"
    if identities(left) != identities(right):
        return f"identity {identities(left)} on CPU, {identities(right)} on the device"
    return None


def _device_of(tree: Any) -> torch.device:
    found = tensors_of(tree)
    return found[0].device if found else DEVICE


def describe(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:300] if text else ''}"


def report(failures: list[str], total: int) -> None:
    if failures:
        shown = "\n".join(failures[:5])
        pytest.fail(f"{len(failures)} of {total} runs differ:\n{shown}", pytrace=False)


def shape_note(run: Run) -> str:
    inputs = [f"{tuple(t.shape)}:{t.stride()}" for t in tensors_of(run.actual_inputs)][:4]
    return f"[{run.label}; inputs {', '.join(inputs)}]"


def how_values(name: str, dtype: torch.dtype) -> bool | str:
    """Compare values exactly, to a tolerance, or not at all."""
    if skips.find("values", name, dtype) is not None:
        return False
    return "close" if skips.find("close", name, dtype) is not None else True


def leave_out(what: str, op: Any, dtype: torch.dtype | None) -> None:
    found = skips.find(what, full_name(op), dtype)
    if found is not None:
        pytest.skip(found.reason)


@pytest.mark.parametrize(("op", "dtype"), items(DTYPES))
def test_forward(op: Any, dtype: torch.dtype) -> None:
    leave_out("forward", op, dtype)
    name = full_name(op)
    values = how_values(name, dtype)
    late = skips.find("late", name, dtype) is not None
    fresh = skips.find("fresh", name, dtype) is None
    host = skips.find("host arguments", name, dtype) is not None
    runs = []
    for label, sample in samples_of(op, dtype, grad=False):
        runs.append(issue(op, sample, label, None, host))
        if fresh:  # the same geometry again: metadata now comes from the cache, values differ
            again = issue(op, sample, f"{label}, other values", fresh_values, host)
            if again.cpu_error is None:
                runs.append(again)
        if not values and runs[-1].cpu_error is None:
            runs[-1].extra = repeatable(op, sample) if "empty" not in name else []
    failures = [f"{why} {shape_note(r)}" for r in runs if (why := check(r, values, late))]
    failures += [line for r in runs for line in r.extra]
    report(failures, len(runs))


def repeatable(op: Any, sample: Any) -> list[str]:
    """A random op gives the same values again after the same seed."""
    outs = []
    for _ in range(2):
        inputs = place((sample.input, sample.args, sample.kwargs), DEVICE)
        torch.manual_seed(1234)
        out, error = execute(op, inputs, DEVICE)
        if error is not None:
            return []
        outs.append(tree_map(lambda t: t.cpu() if isinstance(t, torch.Tensor) else t, out))
    why = compare_tree(outs[0], outs[1], torch.device("cpu"))
    return [f"same seed, other values: {why}"] if why else []


@pytest.mark.parametrize(("op", "dtype"), items(DTYPES))
def test_inplace_and_out(op: Any, dtype: torch.dtype) -> None:
    name = full_name(op)
    values = how_values(name, dtype)
    if skips.find("out values", name, dtype) is not None:
        values = False
    late = skips.find("late", name, dtype) is not None
    inplace = op.get_inplace() if skips.find("inplace", name, dtype) is None else None
    has_out = op.supports_out and skips.find("out", name, dtype) is None
    if inplace is None and not has_out:
        pytest.skip("no in-place or out= variant")
    runs: list[Run] = []
    for label, sample in samples_of(op, dtype, grad=False)[: CAP + 3]:
        if inplace is not None:
            runs.append(issue(inplace, sample, f"in place, {label}"))
        if has_out:
            runs.extend(out_runs(op, sample, label))
    failures = [f"{why} {shape_note(r)}" for r in runs if (why := check(r, values, late))]
    report(failures, len(runs))


def out_runs(op: Any, sample: Any, label: str) -> list[Run]:
    """out= of the right geometry, empty (to be resized), with holes, and of another dtype."""
    given = (sample.input, sample.args, sample.kwargs)
    result, error = execute(op, place(given, torch.device("cpu")), torch.device("cpu"))
    if error is not None or not tensors_of(result):
        return []
    if not all(is_strided(t) for t in tensors_of(result)):
        return []

    def call(value: Any, *args: Any, **kwargs: Any) -> Any:
        return op(value, *args, **kwargs)

    makers: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "out=": torch.zeros_like,
        "out= empty": lambda t: torch.empty(0, dtype=t.dtype),
        "out= with holes": lambda t: LAYOUTS["gapped"](torch.zeros_like(t)),
        "out= of float64": lambda t: torch.zeros(t.shape, dtype=torch.float64),
    }
    runs = []
    for how, make in makers.items():
        out = tree_map(lambda t, make=make: make(t) if isinstance(t, torch.Tensor) else t, result)
        target_sample = type(sample)(
            sample.input, args=tuple(sample.args), kwargs={**sample.kwargs, "out": out}
        )
        runs.append(issue(call, target_sample, f"{how}, {label}"))
    return runs


@pytest.mark.parametrize(("op", "dtype"), items(GRAD_DTYPES, backward=True))
def test_backward(op: Any, dtype: torch.dtype) -> None:
    leave_out("backward", op, dtype)
    values = how_values(full_name(op), dtype)
    failures: list[str] = []
    total = 0
    for label, sample in samples_of(op, dtype, grad=True):
        for fill in (None, fresh_values):
            why = backward_difference(op, sample, values, fill)
            if why == "not on CPU":
                continue
            total += 1
            if why:
                failures.append(
                    f"{why} [{label}{', other values' if fill else ''}; {sample.summary()[:200]}]"
                )
    report(failures, total)


def gradients(op: Any, sample: Any, inputs: Any, target: torch.device) -> Any:
    leaves = [t for t in tensors_of(inputs) if t.requires_grad]
    out, error = execute(op, inputs, target)
    if error is not None:
        return None, None, error
    out = sample.output_process_fn_grad(out)
    outs = [t for t in tensors_of(out) if t.requires_grad]
    outs = [t for t in outs if t.is_floating_point() or t.is_complex()]
    if not outs or not leaves:
        return None, None, None
    seeds = []
    generator = torch.Generator().manual_seed(7)
    for t in outs:
        seed = torch.randn(t.shape, generator=generator, dtype=torch.float64).to(t.dtype)
        seeds.append(Copier(target)(seed))
    grads, error = attempt(lambda: torch.autograd.grad(outs, leaves, seeds, allow_unused=True))
    return outs, grads, error


def backward_difference(op: Any, sample: Any, values: bool | str, fill: Any) -> str | None:
    given = (sample.input, sample.args, sample.kwargs)
    torch.default_generator.manual_seed(0)
    expected = gradients(op, sample, place(given, torch.device("cpu"), fill), torch.device("cpu"))
    if expected[1] is None:
        return "not on CPU"
    torch.default_generator.manual_seed(0)
    host = skips.find("host arguments", full_name(op)) is not None
    actual = gradients(op, sample, place(given, DEVICE, fill, host), DEVICE)
    if actual[2] is not None:
        return f"the device raises {describe(actual[2])}"
    if actual[1] is None:
        return "no gradient on the device"
    try:
        why = compare_tree(expected[0], actual[0], DEVICE, values)
        if why:
            return f"forward with grad: {why}"
        for index, (left, right) in enumerate(zip(expected[1], actual[1], strict=True)):
            if (left is None) != (right is None):
                return f"grad {index} is {'undefined' if left is None else 'defined'} on CPU only"
            if left is not None:
                why = compare_tensor(left, right, DEVICE, values)
                if why:
                    return f"grad {index}: {why}"
        left_names = [type(t.grad_fn).__name__ for t in expected[0]]
        right_names = [type(t.grad_fn).__name__ for t in actual[0]]
        if left_names != right_names:
            return f"grad_fn {left_names} on CPU, {right_names} on the device"
    except Exception as error:
        return f"reading gradients raises {describe(error)}"
    return None


ERROR_OPS = [pytest.param(op, id=full_name(op)) for op in OPS if op.error_inputs_func is not None]


@pytest.mark.parametrize("op", ERROR_OPS)
def test_errors_at_call(op: Any) -> None:
    leave_out("errors", op, None)
    late = skips.find("late", full_name(op)) is not None
    torch.manual_seed(0)
    try:
        errors = list(op.error_inputs("cpu"))
    except Exception as error:
        pytest.skip(f"no error inputs on the CPU: {error}")
    runs = []
    for index, wrong in enumerate(errors):
        run = issue(op, wrong.sample_input, f"error input {index}")
        if run.cpu_error is not None:
            runs.append(run)
    failures = [f"{why} {shape_note(r)}" for r in runs if (why := check(r, True, late))]
    report(failures, len(runs))


def refused() -> list[Any]:
    """Each op with each dtype of DTYPES that the CPU lacks, and one that it has."""
    found = {}
    for op in OPS:
        has = [d for d in DTYPES if d in op.supported_dtypes("cpu")]
        for dtype in DTYPES:
            if has and dtype not in has:
                name = f"{full_name(op)}-{str(dtype).removeprefix('torch.')}"
                found.setdefault(name, pytest.param(op, has[0], dtype, id=name))
    return list(found.values())


@pytest.mark.parametrize(("op", "known", "dtype"), refused())
def test_refused_dtypes(op: Any, known: torch.dtype, dtype: torch.dtype) -> None:
    """A dtype that the CPU's kernel does not have is refused at the call, with the same exception."""
    leave_out("refused", op, dtype)
    torch.manual_seed(0)
    samples = spread(list(op.sample_inputs("cpu", known, requires_grad=False)), 3)

    def other(t: Any) -> Any:
        return t.to(dtype) if isinstance(t, torch.Tensor) and t.dtype == known else t

    runs = []
    for index, sample in enumerate(samples):
        run = issue(op, sample.transform(other), f"sample {index} as {dtype}")
        if run.cpu_error is not None:
            runs.append(run)
    failures = [f"{why} {shape_note(r)}" for r in runs if (why := check(r, False, False))]
    report(failures, len(runs))


def test_attention_values() -> None:
    """Attention without dropout is not random: all of it must be equal."""
    op = next(o for o in OPS if o.name == "nn.functional.scaled_dot_product_attention")
    failures: list[str] = []
    count = 0
    for dtype in (torch.float32, torch.bfloat16, torch.float64):
        for sample in op.sample_inputs("cpu", dtype, requires_grad=dtype != torch.bfloat16):
            if sample.kwargs.get("dropout_p", 0.0) != 0.0:
                continue
            count += 1
            why = check(issue(op, sample, str(sample.kwargs)), True, False)
            if not why and dtype != torch.bfloat16:
                why = backward_difference(op, sample, True, None)
                why = None if why == "not on CPU" else why
            if why:
                failures.append(f"{why} [{dtype} {sample.summary()[:200]}]")
    report(failures, count)
