# SPDX-License-Identifier: Apache-2.0
"""Random tensor programs: an interpreter whose choices depend on metadata only, so that the same
instructions are the same program on every device."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import torch

Instruction = tuple[str, int, int, int, int]
Operation = Callable[["Machine", int, int, int, int], Any]

DTYPES = (torch.float32, torch.float64, torch.int64, torch.bool, torch.bfloat16, torch.complex64)
LIMIT = 4096  # elements of the largest tensor a program may make
OPERATIONS: dict[str, Operation] = {}


def operation(function: Operation) -> Operation:
    OPERATIONS[function.__name__.removeprefix("op_")] = function
    return function


class Machine:
    """Runs instructions on one device; `reads` is all that the program saw."""

    def __init__(self, device: torch.device, seed: int) -> None:
        self.device = device
        self.reads: list[Any] = []
        self.generator = torch.Generator().manual_seed(seed)
        self.tensors: list[torch.Tensor] = []
        for shape in ((4, 6), (3, 4, 2), (6,), ()):
            self.tensors.append(self.fresh(shape))

    def fresh(self, shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> torch.Tensor:
        values = torch.randn(shape, generator=self.generator, dtype=torch.float64) * 2
        return values.to(dtype).to(self.device)

    def pick(self, index: int) -> torch.Tensor:
        return self.tensors[index % len(self.tensors)]

    def keep(self, tensor: torch.Tensor) -> None:
        if tensor.numel() <= LIMIT and tensor.dim() <= 6:
            self.tensors.append(tensor)
            if len(self.tensors) > 12:
                del self.tensors[0]

    def step(self, instruction: Instruction) -> None:
        name, a, b, c, d = instruction
        if not self.tensors:
            self.tensors.append(self.fresh((3, 4)))
        try:
            out = OPERATIONS[name](self, a, b, c, d)
        except (RuntimeError, IndexError, TypeError, ValueError, NotImplementedError) as error:
            self.reads.append(("raised", name, type(error).__name__))
            return
        for tensor in out if isinstance(out, (list, tuple)) else [out]:
            if isinstance(tensor, torch.Tensor):
                self.keep(tensor)

    def run(self, program: list[Instruction]) -> Machine:
        for instruction in program:
            self.step(instruction)
        return self

    def see(self, tensor: torch.Tensor) -> None:
        host = tensor.detach().cpu().clone()
        meta = (tuple(tensor.shape), tensor.stride(), tensor.storage_offset(), tensor.dtype)
        self.reads.append((meta, host))


def dim_of(tensor: torch.Tensor, index: int) -> int:
    return index % max(tensor.dim(), 1)


def plain(tensor: torch.Tensor) -> torch.Tensor:
    """Something that takes part in arithmetic of all kinds."""
    return tensor.float() if tensor.dtype is torch.bool else tensor


def magnitude(tensor: torch.Tensor) -> torch.Tensor:
    """abs, also where the CPU has none and a GPU (and so the device) has."""
    return plain(tensor.detach()).abs()


def apart(target: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
    """`source` for a write into `target`: partial overlap is an error that test_errors.py holds."""
    if target is source:
        return source
    same = target.untyped_storage()._cdata == source.untyped_storage()._cdata
    return source.clone() if same else source


# Views.


@operation
def op_slice(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = m.pick(a)
    dim = dim_of(t, b)
    size = t.shape[dim]
    start = c % (size + 1)
    return torch.ops.aten.slice(t, dim, start, start + d % (size + 1), 1 + (c + d) % 3)


@operation
def op_select(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = m.pick(a)
    dim = dim_of(t, b)
    return t.select(dim, c % max(t.shape[dim], 1) - (d % 2) * t.shape[dim])


@operation
def op_transpose(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = m.pick(a)
    return t.transpose(dim_of(t, b), dim_of(t, c))


@operation
def op_permute(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = m.pick(a)
    order = list(range(t.dim()))
    for i in range(len(order)):
        j = (b + c * i + d) % len(order)
        order[i], order[j] = order[j], order[i]
    return t.permute(order)


@operation
def op_expand(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = m.pick(a)
    sizes = [(2 + b % 3) if n == 1 else n for n in t.shape]
    return t.expand([1 + c % 3, *sizes])


@operation
def op_unsqueeze(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = m.pick(a)
    return t.unsqueeze(b % (t.dim() + 1))


@operation
def op_squeeze(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = m.pick(a)
    return t.squeeze() if b % 2 else t.squeeze(dim_of(t, c))


@operation
def op_view(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = m.pick(a)
    return t.view(factors(t.numel(), b, c))


@operation
def op_reshape(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = m.pick(a)
    return t.reshape(factors(t.numel(), b, c))


def factors(count: int, b: int, c: int) -> list[int]:
    if count == 0:
        return [0, 1 + b % 3]
    small = [k for k in range(1, min(count, 16) + 1) if count % k == 0]
    first = small[b % len(small)]
    rest = count // first
    small = [k for k in range(1, min(rest, 16) + 1) if rest % k == 0]
    second = small[c % len(small)]
    return [first, second, rest // second]


@operation
def op_as_strided(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = m.pick(a)
    room = t.untyped_storage().nbytes() // t.element_size()
    sizes, strides = [1 + b % 3, 1 + c % 4], [1 + c % 3, 1 + d % 3]
    offset = d % 3
    if offset + sum((n - 1) * s for n, s in zip(sizes, strides, strict=True)) >= room:
        return None
    return t.as_strided(sizes, strides, offset)


@operation
def op_diagonal(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = m.pick(a)
    return t.diagonal(b % 3 - 1, dim_of(t, c), dim_of(t, c + 1))


@operation
def op_unfold(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = m.pick(a)
    dim = dim_of(t, b)
    return t.unfold(dim, 1 + c % 3, 1 + d % 2)


@operation
def op_split(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = m.pick(a)  # narrow: autograd forbids writes through the many views of one split
    dim = dim_of(t, c)
    half = t.shape[dim] // 2
    return [t.narrow(dim, 0, half), t.narrow(dim, half, t.shape[dim] - half)]


@operation
def op_view_dtype(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = m.pick(a)
    return t.detach().view(torch.int32) if t.dtype is torch.float32 else t.view(t.dtype)


@operation
def op_real(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = m.pick(a)
    if t.is_complex():
        return [t.real, t.imag, t.conj(), torch.view_as_real(t.resolve_conj())][b % 4]
    return torch.complex(t, t) if t.dtype in (torch.float32, torch.float64) else None


@operation
def op_detach(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    return m.pick(a).detach()


@operation
def op_alias(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    return m.pick(a)


# In place.


@operation
def op_add_(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    m.pick(a).add_(apart(m.pick(a), m.pick(b)), alpha=1 + c % 3)


@operation
def op_mul_(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    m.pick(a).mul_((c % 7 - 3) / 2 if m.pick(a).is_floating_point() else c % 4)


@operation
def op_fill_(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    if b % 2:
        m.pick(a).zero_()
    else:
        m.pick(a).fill_(c % 5)


@operation
def op_copy_(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    m.pick(a).copy_(apart(m.pick(a), m.pick(b)))


@operation
def op_copy_from_host_(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = m.pick(a)
    host = torch.randn(t.shape, generator=m.generator, dtype=torch.float64).to(t.dtype)
    t.copy_(host)
    host.zero_()  # the device must have taken the values already


@operation
def op_setitem(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = m.pick(a)
    if t.dim() == 0:
        t[...] = b % 5
    elif c % 3 == 0:
        t[b % max(t.shape[0], 1)] = d % 7
    elif c % 3 == 1:
        t[..., :: 1 + b % 2] = apart(t, m.pick(d)).clone()
    else:
        t[t > 0] = 1


@operation
def op_unary_(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = m.pick(a)
    names = ("tanh_", "neg_", "abs_", "relu_", "sigmoid_", "round_", "clamp_", "square_", "t_")
    name = names[b % len(names)]
    if t.dtype is torch.bool:
        return
    if name == "clamp_":
        t.clamp_(-3, 3)
    else:
        getattr(t, name)()


@operation
def op_masked_fill_(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = m.pick(a)
    t.masked_fill_(magnitude(m.pick(b)) > 1, c % 4)


@operation
def op_index_(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = m.pick(a)
    dim = dim_of(t, b)
    size = max(t.shape[dim] if t.dim() else 1, 1)
    index = torch.tensor([c % size, d % size], device=m.device)
    if c % 3 == 0:
        t.index_fill_(dim, index, d % 3)
    elif c % 3 == 1:
        t.index_add_(dim, index, torch.ones_like(t.index_select(dim, index)))
    else:
        return t.index_select(dim, index)
    return None


@operation
def op_out(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    function = (torch.add, torch.mul, torch.maximum, torch.sub)[d % 4]
    out = m.pick(c)
    function(apart(out, m.pick(a)).clone(), apart(out, m.pick(b)).clone(), out=out)


@operation
def op_out_reduce(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = m.pick(a)
    torch.sum(t.detach().clone(), dim_of(t, b), out=m.pick(c))


@operation
def op_set_data(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = m.pick(a)
    if not t._is_view():
        t.data = t.data.clone()


# New tensors.


@operation
def op_binary(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    function = (torch.add, torch.mul, torch.sub, torch.div, torch.maximum, torch.pow, torch.eq)
    return function[c % len(function)](m.pick(a), m.pick(b))


@operation
def op_scalar(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = plain(m.pick(a))
    return [t + b % 5, t * (c % 5 - 2), t - 0.5, 2 / (t.abs() + 1), t > 0, -t][d % 6]


@operation
def op_unary(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    names = ("tanh", "exp", "abs", "sigmoid", "cos", "isnan", "sign", "sqrt", "logical_not")
    return getattr(plain(m.pick(a)), names[b % len(names)])()


@operation
def op_reduce(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = plain(m.pick(a))
    dim = dim_of(t, b)
    name = ("sum", "amax", "prod", "mean", "argmax", "cumsum", "sort", "logsumexp")[c % 8]
    if name in ("sum", "mean", "amax", "prod") and d % 2:
        return getattr(t, name)(dim, keepdim=True)
    out = getattr(t, name)(dim)
    return list(out) if isinstance(out, tuple) else out


@operation
def op_matmul(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    left, right = m.pick(a), m.pick(b)
    if left.dim() >= 2 and right.dim() >= 2 and left.shape[-1] != right.shape[-2]:
        right = left.transpose(-1, -2)
    return torch.matmul(left, right)


@operation
def op_join(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = m.pick(a)
    others = [x for x in m.tensors if x.shape == t.shape][:3]
    return torch.stack(others, dim_of(t, b)) if c % 2 else torch.cat(others, dim_of(t, b))


@operation
def op_where(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    return torch.where(magnitude(m.pick(a)) > 1, m.pick(b), m.pick(c))


@operation
def op_clone(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = m.pick(a)
    return [t.clone(), t.contiguous(), t.clone(memory_format=torch.contiguous_format)][b % 3]


@operation
def op_like(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = m.pick(a)
    return [torch.zeros_like(t), torch.ones_like(t), t.new_full((2, 3), c % 5)][b % 3]


@operation
def op_dtype(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = m.pick(a)
    target = DTYPES[b % len(DTYPES)]
    if target in (torch.int64, torch.bool) and (t.is_floating_point() or t.is_complex()):
        t = t.detach().nan_to_num(0, 9, -9).real if t.is_complex() else t.nan_to_num(0, 9, -9)
        t = t.clamp(-1e6, 1e6)  # conversions out of range are undefined on the CPU
    elif t.is_complex() and not target.is_complex:
        t = t.real
    return t.to(target)


@operation
def op_softmax(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = m.pick(a)
    return torch.nn.functional.softmax(t, dim_of(t, b))


@operation
def op_layer_norm(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = m.pick(a)
    return torch.nn.functional.layer_norm(t, t.shape[-1:])


# What the program reads.


@operation
def op_item(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = m.pick(a).detach()
    m.reads.append(normal(t.reshape(-1)[b % max(t.numel(), 1)].item()))


@operation
def op_tolist(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    m.reads.append(normal(m.pick(a).detach().tolist()))


@operation
def op_bool(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    if bool((magnitude(m.pick(a)) > 1).any()):  # the program's way depends on data
        return m.pick(a) * 0.5
    return None


@operation
def op_nonzero(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    return (magnitude(m.pick(a)) > 0.5).nonzero()


@operation
def op_masked_select(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = m.pick(a)
    return t[magnitude(t) > 1]


@operation
def op_unique(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    return m.pick(a).detach().round().unique()


@operation
def op_see(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    m.see(m.pick(a))


@operation
def op_equal(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    m.reads.append(torch.equal(m.pick(a), m.pick(b)))


@operation
def op_there_and_back(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    host = m.pick(a).cpu()
    return (host + 1).to(m.device, non_blocking=bool(b % 2))


@operation
def op_delete(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    del m.tensors[a % len(m.tensors)]


@operation
def op_new(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    return m.fresh((1 + a % 4, 1 + b % 4), DTYPES[c % 3])


# Autograd.


@operation
def op_require(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = m.pick(a)
    if t.is_floating_point():
        return t.detach().clone().requires_grad_(True)
    return None


@operation
def op_hook(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = m.pick(a)
    if t.requires_grad and not t._is_view():  # eager itself crashes for some views
        t.register_hook(lambda g: g * (1 + b % 3))


@operation
def op_backward(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = m.pick(a)
    if not t.requires_grad or not t.is_floating_point():
        return None
    if b % 3 == 0:
        t.sum().backward(retain_graph=bool(c % 2))
        return None
    leaves = [x for x in m.tensors if x.requires_grad and x.is_leaf]
    if not leaves:
        return None
    grads = torch.autograd.grad(
        t.sum(), leaves, retain_graph=True, create_graph=b % 3 == 2, allow_unused=True
    )
    return [g for g in grads if g is not None][:2]


@operation
def op_grad(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    t = m.pick(a)
    if not (t.is_leaf and t.grad is not None):
        return None
    if b % 2:
        t.grad = None
        return None
    return t.grad


@operation
def op_step(m: Machine, a: int, b: int, c: int, d: int) -> Any:
    with torch.no_grad():
        for t in m.tensors:
            if t.is_leaf and t.requires_grad and t.grad is not None:
                t.sub_(t.grad, alpha=0.1)


def normal(value: Any) -> Any:
    """NaN equal to NaN, and plain lists."""
    if isinstance(value, list):
        return [normal(v) for v in value]
    if isinstance(value, complex):
        return (normal(value.real), normal(value.imag))
    if isinstance(value, float) and math.isnan(value):
        return "nan"
    return value


NAMES = tuple(OPERATIONS)


@functools.cache
def weights() -> tuple[str, ...]:
    """Names as drawn: views and writes more often than the rest."""
    often = [n for n in NAMES if n.endswith("_") or n in ("slice", "view", "transpose", "expand")]
    return tuple([*NAMES, *often])
