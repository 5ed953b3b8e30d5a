# SPDX-License-Identifier: Apache-2.0
"""Compares, at every ATen overload met below autograd, meta kernels with CPU kernels.

As a program: `python metadata_probe.py OUT.tsv [PART/PARTS]` walks op_db, foreach_*_op_db, module_db and
optim_db on the CPU and writes one line per overload whose meta result differs (or that raises).
"""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

sys.path.insert(0, str(Path(__file__).resolve().parent))
from geometry import LAYOUTS, Copier, is_strided, storage_of, tensors_of  # noqa: E402

Geometry = tuple[Any, ...]


def geometry(value: Any) -> Geometry:
    if not isinstance(value, torch.Tensor):
        return ("undefined",) if value is None else ("value",)
    if not is_strided(value):
        return ("not strided", str(value.layout), tuple(value.shape), value.dtype)
    return (
        "tensor",
        tuple(value.shape),
        value.stride(),
        value.storage_offset(),
        value.dtype,
    )


def freeze(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return geometry(value)
    if isinstance(value, torch.Generator):
        return "generator"
    return (type(value), repr(value))


def aliases(outs: list[Any], ins: list[torch.Tensor]) -> list[tuple[int, ...]]:
    """For each output: which inputs and which earlier outputs share its storage."""
    shared = []
    for index, out in enumerate(outs):
        mine = storage_of(out)
        hits = [i for i, other in enumerate(ins) if mine and storage_of(other) == mine]
        hits += [-1 - i for i in range(index) if mine and storage_of(outs[i]) == mine]
        shared.append(tuple(hits))
    return shared


def stride_kind(size: tuple[int, ...], left: tuple[int, ...], right: tuple[int, ...]) -> str:
    if 0 in size:
        return "strides of an empty tensor"
    if all(a == b for n, a, b in zip(size, left, right, strict=True) if n != 1):
        return "strides of dimensions of size 1"
    return "strides"


def difference(cpu: Any, meta: Any) -> str | None:
    a, b = geometry(cpu), geometry(meta)
    if a == b:
        return None
    if a[0] != b[0]:
        return f"{a[0]} on CPU, {b[0]} on meta"
    if a[0] != "tensor":
        return f"{a} on CPU, {b} on meta"
    if a[1] != b[1]:
        return f"sizes {a[1]} on CPU, {b[1]} on meta"
    if a[4] != b[4]:
        return f"dtype {a[4]} on CPU, {b[4]} on meta"
    if a[3] != b[3]:
        return f"offset {a[3]} on CPU, {b[3]} on meta"
    return f"{stride_kind(a[1], a[2], b[2])}: {a[2]} on CPU, {b[2]} on meta for sizes {a[1]}"


class MetadataProbe(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[Any] = set()
        self.calls: Counter[str] = Counter()
        self.found: dict[str, Counter[str]] = defaultdict(Counter)
        self.examples: dict[tuple[str, str], str] = {}
        self.lenient: dict[str, str] = {}  # CPU raises, meta does not
        self.types: dict[str, str] = {}  # both raise, types differ
        self.scope: dict[str, Counter[str]] = defaultdict(Counter)
        self.inputs: list[torch.Tensor] = []
        self.where = ""

    def note(self, name: str, reason: str, args: Any) -> None:
        self.scope[name][scope_of(self.inputs)] += 1
        kind = reason.split(":")[0]
        if kind.startswith(("sizes", "dtype", "offset", "not strided", "(")):
            kind = kind.split(" ")[0]
        self.found[name][kind] += 1
        self.examples.setdefault((name, kind), f"{reason} [{self.where}] {args}"[:600])

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = func.name()
        flat, _ = tree_flatten((args, kwargs))
        ins = [x for x in flat if isinstance(x, torch.Tensor)]
        frozen = tuple(freeze(x) for x in flat)
        links = tuple(storage_of(x) for x in ins)
        links = tuple(links.index(x) for x in links)
        key = (name, frozen, links)
        if key in self.seen or any(not is_strided(x) for x in ins):
            return func(*args, **kwargs)
        self.seen.add(key)
        copier = Copier("meta")
        self.inputs = [x.detach() for x in ins]
        try:
            margs, mkwargs = copier((args, kwargs))
        except Exception as error:
            self.note(name, f"cannot build meta inputs: {error}", frozen)
            return func(*args, **kwargs)
        meta_error: Exception | None = None
        cpu_error: Exception | None = None
        mout: Any = None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                mout = func(*margs, **mkwargs)
        except Exception as error:
            meta_error = error
        try:
            out = func(*args, **kwargs)
        except Exception as error:
            cpu_error = error
        if cpu_error is not None:
            if meta_error is None:
                self.lenient.setdefault(
                    name, f"{type(cpu_error).__name__}: {first_line(cpu_error)} [{self.where}]"
                )
            elif type(meta_error) is not type(cpu_error):
                self.types.setdefault(
                    name,
                    f"{type(cpu_error).__name__}: {first_line(cpu_error)} / "
                    f"{type(meta_error).__name__}: {first_line(meta_error)} [{self.where}]",
                )
            raise cpu_error
        self.calls[name] += 1
        if meta_error is not None:
            self.note(
                name, f"meta raises {type(meta_error).__name__}: {first_line(meta_error)}", frozen
            )
            return out
        self.compare(name, out, mout, ins, tensors_of((margs, mkwargs)), frozen)
        return out

    def compare(
        self, name: str, out: Any, mout: Any, ins: list[Any], mins: list[Any], frozen: Any
    ) -> None:
        outs = list(out) if isinstance(out, (tuple, list)) else [out]
        mouts = list(mout) if isinstance(mout, (tuple, list)) else [mout]
        if len(outs) and isinstance(outs[0], (tuple, list)):
            outs, mouts = tree_flatten(outs)[0], tree_flatten(mouts)[0]
        if len(outs) != len(mouts):
            self.note(name, f"sizes {len(outs)} outputs on CPU, {len(mouts)} on meta", frozen)
            return
        for left, right in zip(outs, mouts, strict=True):
            reason = difference(left, right)
            if reason:
                self.note(name, reason, frozen)
        if aliases(outs, ins) != aliases(mouts, mins):
            self.note(
                name, f"aliasing: {aliases(outs, ins)} on CPU, {aliases(mouts, mins)}", frozen
            )
        for left, right in zip(ins, mins, strict=True):
            reason = difference(left, right)
            if reason:
                self.note(name, f"input after the call: {reason}", frozen)


def canonical(tensor: torch.Tensor) -> bool:
    expected = 1
    for size, stride in zip(reversed(tensor.shape), reversed(tensor.stride()), strict=True):
        if stride != expected:
            return False
        expected *= max(size, 1)
    return True


def scope_of(inputs: list[torch.Tensor]) -> str:
    """When a disagreement can happen: with an empty input, with an input out of row-major order, always."""
    if any(t.numel() == 0 for t in inputs):
        return "empty"
    return "always" if all(canonical(t) for t in inputs) else "layout"


def first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:160] if text else ""


DTYPES = (
    torch.float32,
    torch.float64,
    torch.bfloat16,
    torch.int64,
    torch.bool,
    torch.complex64,
    torch.float16,
    torch.int32,
)


def databases() -> list[Any]:
    from torch.testing._internal import common_methods_invocations as c

    return [
        *c.op_db,
        *c.foreach_unary_op_db,
        *c.foreach_binary_op_db,
        *c.foreach_pointwise_op_db,
        *c.foreach_reduce_op_db,
        *c.foreach_other_op_db,
    ]


def layouts_of(sample: Any) -> list[tuple[str, Any]]:
    cases = [("plain", sample)]
    for label, change in LAYOUTS.items():
        with contextlib.suppress(Exception):
            changed = sample.transform(
                lambda t, change=change: change(t) if isinstance(t, torch.Tensor) else t
            )
            old = [geometry(t) for t in tensors_of((sample.input, sample.args, sample.kwargs))]
            new = [geometry(t) for t in tensors_of((changed.input, changed.args, changed.kwargs))]
            if old != new:
                cases.append((label, changed))
    return cases


def run_call(probe: MetadataProbe, call: Any, grad: bool) -> None:
    with contextlib.suppress(Exception):
        with probe:
            out = call()
        if not grad:
            return
        outs = [
            t
            for t in tensors_of(out)
            if t.requires_grad and (t.is_floating_point() or t.is_complex())
        ]
        if outs:
            with probe:
                torch.autograd.backward(outs, [torch.ones_like(t) for t in outs])


def out_variant(op: Any, sample: Any) -> Any:
    with torch.no_grad():
        expected = op(sample.input, *sample.args, **sample.kwargs)
        outs = torch.utils._pytree.tree_map(
            lambda t: torch.empty_like(t) if isinstance(t, torch.Tensor) else t, expected
        )
        return op(sample.input, *sample.args, **sample.kwargs, out=outs)


def walk_ops(probe: MetadataProbe, ops: list[Any], cap: int) -> None:
    for op in ops:
        name = f"{op.name}.{op.variant_test_name}" if op.variant_test_name else op.name
        for dtype in DTYPES:
            if dtype not in op.supported_dtypes("cpu"):
                continue
            grad = dtype in op.supported_backward_dtypes("cpu") and op.supports_autograd
            torch.manual_seed(0)
            try:
                samples = list(op.sample_inputs("cpu", dtype, requires_grad=grad))
            except Exception:
                continue
            step = max(1, len(samples) // cap)
            for sample in samples[::step]:
                for label, case in layouts_of(sample):
                    probe.where = f"{name} {str(dtype)[6:]} {label}"
                    run_call(
                        probe,
                        lambda case=case, op=op: op(case.input, *case.args, **case.kwargs),
                        grad,
                    )
                    inplace = op.get_inplace() if hasattr(op, "get_inplace") else None
                    if inplace is not None:
                        with torch.no_grad():
                            run_call(
                                probe,
                                lambda case=case, f=inplace: f(
                                    case.input.clone(memory_format=torch.preserve_format)
                                    if isinstance(case.input, torch.Tensor)
                                    else [t.detach().clone() for t in case.input],
                                    *case.args,
                                    **case.kwargs,
                                ),
                                False,
                            )
                    if op.supports_out:
                        run_call(probe, lambda case=case, op=op: out_variant(op, case), False)
        if op.error_inputs_func is not None:
            with contextlib.suppress(Exception):
                for error in op.error_inputs("cpu"):
                    probe.where = f"{name} error input"
                    s = error.sample_input
                    run_call(probe, lambda s=s, op=op: op(s.input, *s.args, **s.kwargs), False)


def walk_modules(probe: MetadataProbe, modules: list[Any]) -> None:
    for info in modules:
        for training in (True, False):
            for dtype in (torch.float32, torch.bfloat16):
                if dtype not in info.supported_dtypes("cpu"):
                    continue
                torch.manual_seed(0)
                with contextlib.suppress(Exception):
                    inputs = info.module_inputs_func(
                        info, device="cpu", dtype=dtype, requires_grad=True, training=training
                    )
                    for item in inputs:
                        if item.forward_input is None:
                            continue
                        c = item.constructor_input
                        module = info.module_cls(*c.args, **c.kwargs).to(dtype).train(training)
                        f = item.forward_input
                        probe.where = info.name
                        run_call(probe, lambda m=module, f=f: m(*f.args, **f.kwargs), True)


def walk_optimizers(probe: MetadataProbe, infos: list[Any]) -> None:
    for info in infos:
        for extra in ({}, {"foreach": True}, {"fused": True}):
            with contextlib.suppress(Exception):
                for item in info.optim_inputs_func(device="cpu", dtype=torch.float32):
                    torch.manual_seed(0)
                    params = [
                        torch.randn(3, 4, requires_grad=True),
                        torch.randn(5, requires_grad=True),
                    ]
                    probe.where = info.optim_cls.__name__
                    with contextlib.suppress(Exception):
                        optim = info.optim_cls(params, **{**item.kwargs, **extra})
                        for _ in range(2):
                            for p in params:
                                p.grad = torch.randn_like(p)
                            run_call(probe, optim.step, False)


def main() -> None:
    warnings.simplefilter("ignore")
    target = Path(sys.argv[1])
    part, parts = (int(x) for x in (sys.argv[2] if len(sys.argv) > 2 else "0/1").split("/"))
    torch.set_num_threads(1)
    probe = MetadataProbe()
    walk_ops(probe, databases()[part::parts], int(sys.argv[3]) if len(sys.argv) > 3 else 12)
    from torch.testing._internal.common_modules import module_db
    from torch.testing._internal.common_optimizers import optim_db

    walk_modules(probe, list(module_db)[part::parts])
    walk_optimizers(probe, list(optim_db)[part::parts])
    lines = []
    for name in sorted(probe.found):
        for kind, count in probe.found[name].most_common():
            example = probe.examples[(name, kind)].replace("\t", " ").replace("\n", " ")
            scope = "+".join(sorted(probe.scope[name]))
            lines.append(f"{name}\t{scope}\t{kind}\t{count}/{probe.calls[name]}\t{example}")
    target.write_text("\n".join(lines) + "\n")
    target.with_suffix(".lenient.tsv").write_text(
        "\n".join(f"{k}\t{v}" for k, v in sorted(probe.lenient.items())) + "\n"
    )
    target.with_suffix(".types.tsv").write_text(
        "\n".join(f"{k}\t{v}" for k, v in sorted(probe.types.items())) + "\n"
    )
    target.with_suffix(".calls.tsv").write_text(
        "\n".join(f"{k}\t{v}" for k, v in sorted(probe.calls.items())) + "\n"
    )
    print(
        f"{sum(probe.calls.values())} calls of {len(probe.calls)} overloads, {len(probe.found)} differ"
    )


if __name__ == "__main__":
    main()
