# SPDX-License-Identifier: Apache-2.0
"""Recurrent networks give the CPU's values and gradients, bit for bit.

With the compiler a layer is one operation, and they agree to rounding: the last test.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from subprogram import TIMEOUT
from torch import nn
from torch.nn.utils.rnn import (
    PackedSequence,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
    unpack_sequence,
)

import trireme

DEVICE = "trireme"
KINDS: dict[str, Callable[..., nn.RNNBase]] = {
    "LSTM": nn.LSTM,
    "GRU": nn.GRU,
    "tanh": nn.RNN,
    "relu": lambda *args, **kwargs: nn.RNN(*args, nonlinearity="relu", **kwargs),
}
FEATURES, HIDDEN, BATCH, STEPS = 5, 6, 4, 7
Tensors = list[torch.Tensor]


def flat(value: Any) -> Tensors:
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, PackedSequence):
        return [value.data]
    return [tensor for item in value for tensor in flat(item)]


def weighted(outputs: Tensors) -> torch.Tensor:
    """A loss that gives each element a gradient of its own."""
    return torch.stack(
        [
            (
                out
                * torch.linspace(-1, 1, out.numel(), dtype=out.dtype).to(out.device).view(out.shape)
            ).sum()
            for out in outputs
        ]
    ).sum()


EXACT = os.environ.get("TRIREME_COMPILE") == "0"
# PyTorch adds the weights' gradients step by step, each sum rounded; in a layer that is one
# operation they are one product.
ROUNDING = {torch.float64: 1e-13, torch.float32: 1e-5, torch.float16: 1e-2, torch.bfloat16: 6e-2}


def on_both(run: Callable[[str], Tensors]) -> None:
    for number, (a, b) in enumerate(zip(run("cpu"), run(DEVICE), strict=True)):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        error = (a - b.cpu()).abs().max()
        allowed = 0 if EXACT else ROUNDING.get(a.dtype, 0) * a.abs().max().clamp(min=1)
        assert error <= allowed, f"tensor {number}: {error}"


def run_module(make: Callable[[], nn.Module], inputs: Callable[[], Any], device: str) -> Tensors:
    torch.manual_seed(0)
    model = make()
    args = [x.to(device) for x in inputs()]
    model = model.to(device)
    leaves = [x.data if isinstance(x, PackedSequence) else x for x in args]
    if torch.is_grad_enabled():
        for leaf in leaves:
            leaf.requires_grad_()
    outputs = flat(model(*args))
    if not torch.is_grad_enabled():
        return outputs
    weighted(outputs).backward()
    grads = [p.grad for p in (*model.parameters(), *leaves)]
    assert all(grad is not None for grad in grads)
    return [*(out.detach() for out in outputs), *(grad for grad in grads if grad is not None)]


def packed(dtype: torch.dtype = torch.float32, enforce_sorted: bool = True) -> PackedSequence:
    lengths = [7, 5, 5, 2] if enforce_sorted else [2, 7, 5, 5]
    x = torch.randn(STEPS, BATCH, FEATURES, dtype=dtype)
    return pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=enforce_sorted)


def moved(sequence: Any) -> Any:
    return sequence.to(DEVICE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("layers", "bidirectional", "batch_first", "bias"),
    itertools.product([1, 2], [False, True], [False, True], [False, True]),
)
def test_padded(kind: str, layers: int, bidirectional: bool, batch_first: bool, bias: bool) -> None:
    def make() -> nn.Module:
        return KINDS[kind](
            FEATURES,
            HIDDEN,
            layers,
            bias=bias,
            bidirectional=bidirectional,
            batch_first=batch_first,
        )

    on_both(lambda device: run_module(make, lambda: [torch.randn(STEPS, BATCH, FEATURES)], device))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("layers", "bidirectional", "bias", "enforce_sorted"),
    itertools.product([1, 2], [False, True], [False, True], [False, True]),
)
def test_packed(
    kind: str, layers: int, bidirectional: bool, bias: bool, enforce_sorted: bool
) -> None:
    def make() -> nn.Module:
        return KINDS[kind](FEATURES, HIDDEN, layers, bias=bias, bidirectional=bidirectional)

    def run(device: str) -> Tensors:
        return run_module(make, lambda: [packed(enforce_sorted=enforce_sorted)], device)

    with torch.no_grad():
        on_both(run)
    sequence = packed()

    def train(device: str) -> Tensors:
        torch.manual_seed(0)
        model = make().to(device)
        data = sequence.data.detach().to(device).requires_grad_()
        outputs = flat(model(PackedSequence(data, sequence.batch_sizes)))
        weighted(outputs).backward()
        grads = [p.grad for p in (*model.parameters(), data)]
        return [*(o.detach() for o in outputs), *(g for g in grads if g is not None)]

    on_both(train)


@pytest.mark.parametrize("packing", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_projections(packing: bool, bidirectional: bool) -> None:
    sequence = packed()

    def run(device: str) -> Tensors:
        torch.manual_seed(0)
        model = nn.LSTM(FEATURES, HIDDEN, 2, proj_size=3, bidirectional=bidirectional).to(device)
        x = PackedSequence(sequence.data.to(device), sequence.batch_sizes)
        outputs = flat(model(x if packing else pad_packed_sequence(x)[0]))
        weighted(outputs).backward()
        return [
            *(o.detach() for o in outputs),
            *(p.grad for p in model.parameters() if p.grad is not None),
        ]

    on_both(run)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("grad", [False, True])
def test_dtypes(kind: str, dtype: torch.dtype, grad: bool) -> None:
    with torch.set_grad_enabled(grad):
        on_both(
            lambda device: run_module(
                lambda: KINDS[kind](FEATURES, HIDDEN, 2).to(dtype),
                lambda: [torch.randn(STEPS, BATCH, FEATURES, dtype=dtype)],
                device,
            )
        )


@pytest.mark.parametrize("kind", KINDS)
def test_without_onednn(kind: str) -> None:
    with torch.backends.mkldnn.flags(enabled=False):
        on_both(
            lambda device: run_module(
                lambda: KINDS[kind](FEATURES, HIDDEN, 2, bidirectional=True),
                lambda: [torch.randn(STEPS, BATCH, FEATURES)],
                device,
            )
        )


@pytest.mark.parametrize("kind", KINDS)
def test_given_state_and_inference_mode(kind: str) -> None:
    state = torch.randn(2, BATCH, HIDDEN)
    x = torch.randn(STEPS, BATCH, FEATURES)

    def run(device: str) -> Tensors:
        torch.manual_seed(0)
        model = KINDS[kind](FEATURES, HIDDEN, 2).to(device)
        h = state.to(device)
        with torch.inference_mode():
            return [
                out.clone() for out in flat(model(x.to(device), (h, -h) if kind == "LSTM" else h))
            ]

    on_both(run)


def small(kind: str, layers: int = 1, device: str = DEVICE, **options: Any) -> nn.RNNBase:
    torch.manual_seed(0)
    return KINDS[kind](3, 4, layers, dtype=torch.float64, **options).to(device)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reverse_too", [False, True])
@pytest.mark.parametrize("lengths", [[3, 3], [3, 2], [3, 1]])
def test_first_and_second_derivatives(kind: str, reverse_too: bool, lengths: list[int]) -> None:
    model = small(kind, bidirectional=reverse_too)
    x = torch.randn(3, 2, 3, dtype=torch.float64).to(DEVICE).requires_grad_()
    h = torch.randn(2 if reverse_too else 1, 2, 4, dtype=torch.float64).to(DEVICE).requires_grad_()

    def run(x: torch.Tensor, h: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
        state = (h, h.cos()) if kind == "LSTM" else h
        sequence = pack_padded_sequence(x, torch.tensor(lengths))
        params = dict(zip(dict(model.named_parameters()), weights, strict=True))
        outputs = torch.func.functional_call(model, params, (sequence, state))
        return weighted(flat(outputs))

    inputs = (x, h, *model.parameters())
    with torch.backends.mkldnn.flags(enabled=False):
        assert torch.autograd.gradcheck(run, inputs)
        assert torch.autograd.gradgradcheck(run, inputs)


@pytest.mark.parametrize("kind", KINDS)
def test_a_gradient_penalty(kind: str) -> None:
    def run(device: str) -> Tensors:
        model = small(kind, 2, device)
        x = torch.linspace(-1, 1, 5 * 2 * 3, dtype=torch.float64).view(5, 2, 3).to(device)
        x.requires_grad_()
        output = model(x)[0]
        (grad,) = torch.autograd.grad(output.sum(), x, create_graph=True)
        (output.mean() + grad.square().sum()).backward()
        return [output.detach(), *(p.grad for p in model.parameters() if p.grad is not None)]

    on_both(run)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("packing", [False, True])
def test_outputs_may_be_written(kind: str, packing: bool) -> None:
    """The backward pass reads none of what the program holds."""

    def run(device: str) -> Tensors:
        model = small(kind, 1, device)
        x = torch.linspace(-1, 1, 5 * 2 * 3, dtype=torch.float64).view(5, 2, 3).to(device)
        given = pack_padded_sequence(x, torch.tensor([5, 3])) if packing else x
        outputs = [out * 1 for out in flat(model(given))]
        plain = weighted(outputs)
        raw = flat(model(given))
        for out in raw:
            out.mul_(2)
        (weighted(raw) + plain).backward()
        return [
            *(out.detach() for out in raw),
            *(p.grad for p in model.parameters() if p.grad is not None),
        ]

    on_both(run)


@pytest.mark.parametrize("kind", KINDS)
def test_frozen_weights_and_parts_of_the_outputs(kind: str) -> None:
    def run(device: str) -> Tensors:
        model = small(kind, 2, device)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name not in ("weight_hh_l0", "bias_hh_l0", "weight_hh_l1"))
        x = torch.linspace(-1, 1, 5 * 2 * 3, dtype=torch.float64).view(5, 2, 3).to(device)
        last = flat(model(x))[1]
        weighted([last]).backward()
        frozen = [p for p in model.parameters() if not p.requires_grad]
        assert all(p.grad is None for p in frozen)
        return [last.detach(), *(p.grad for p in model.parameters() if p.grad is not None)]

    on_both(run)


@pytest.mark.parametrize("kind", KINDS)
def test_transforms_of_functions(kind: str) -> None:
    def run(device: str) -> Tensors:
        model = small(kind, 1, device)
        params = {name: p.detach() for name, p in model.named_parameters()}
        x = torch.linspace(-1, 1, 5 * 2 * 3, dtype=torch.float64).view(5, 2, 3).to(device)

        def loss(params: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
            return weighted([torch.func.functional_call(model, params, (x,))[0]])

        grads = torch.func.grad(loss)(params, x)
        tangents = {name: torch.ones_like(p) for name, p in params.items()}
        _, tangent = torch.func.jvp(lambda params: loss(params, x), (params,), (tangents,))
        with torch.autograd.forward_ad.dual_level():
            dual = torch.autograd.forward_ad.make_dual(x, torch.ones_like(x))
            forward = torch.autograd.forward_ad.unpack_dual(loss(params, dual)).tangent
        assert forward is not None
        return [*grads.values(), tangent.detach(), forward.detach()]

    on_both(run)


@pytest.mark.parametrize("kind", KINDS)
def test_lengths_are_data(kind: str) -> None:
    """A layer is a call, not one for each step, and for batches of other lengths the same."""
    model = small(kind, 2, bidirectional=True)

    def calls(lengths: list[int]) -> int:
        sequences = [torch.ones(length, 3, dtype=torch.float64) for length in lengths]
        batch = moved(pack_sequence(sequences))
        torch.accelerator.synchronize()
        before = trireme.counters()
        weighted(flat(model(batch))).backward()
        model.zero_grad()
        torch.accelerator.synchronize()
        after = trireme.counters()
        assert after["opaque"] == before["opaque"]
        return after["calls"] - before["calls"]

    if EXACT:
        pytest.skip("without the compiler a layer is composed of its steps")
    few = calls([7, 5, 5, 2])
    assert calls([50, 31, 20, 20]) == few
    assert few < 200


def test_packed_sequences_of_one_length() -> None:
    """As the CPU does, by oneDNN: to the bit."""
    x = torch.randn(STEPS, BATCH, FEATURES)

    def run(device: str) -> Tensors:
        torch.manual_seed(0)
        model = nn.LSTM(FEATURES, HIDDEN, 2, bidirectional=True).to(device)
        data = x.detach().to(device).requires_grad_()
        outputs = flat(model(pack_padded_sequence(data, torch.full((BATCH,), STEPS))))
        weighted(outputs).backward()
        assert data.grad is not None
        return [*(out.detach() for out in outputs), data.grad, *(
            p.grad for p in model.parameters() if p.grad is not None
        )]  # fmt: skip

    on_both(run)


def test_unbatched_and_one_step() -> None:
    for shape in [(STEPS, FEATURES), (1, BATCH, FEATURES)]:
        for make in KINDS.values():
            on_both(
                lambda device, make=make, shape=shape: run_module(  # type: ignore[misc]
                    lambda: make(FEATURES, HIDDEN), lambda: [torch.randn(shape)], device
                )
            )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("cell", ["LSTMCell", "GRUCell", "RNNCell", "RNNCell relu"])
def test_cells(cell: str, bias: bool, dtype: torch.dtype) -> None:
    name, _, nonlinearity = cell.partition(" ")
    options = {"nonlinearity": nonlinearity} if nonlinearity else {}
    x = torch.randn(STEPS, BATCH, FEATURES, dtype=dtype)

    def run(device: str) -> Tensors:
        torch.manual_seed(0)
        model = getattr(nn, name)(FEATURES, HIDDEN, bias=bias, dtype=dtype, **options).to(device)
        state, outputs = None, []
        for item in x.to(device):
            state = model(item, state)
            outputs += flat(state)
        weighted(outputs).backward()
        return [*(o.detach() for o in outputs), *(p.grad for p in model.parameters())]

    on_both(run)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("grad", [False, True])
def test_autocast(kind: str, dtype: torch.dtype, grad: bool) -> None:
    def run(device: str) -> Tensors:
        with torch.autocast(device, dtype=dtype), torch.set_grad_enabled(grad):
            return run_module(
                lambda: KINDS[kind](FEATURES, HIDDEN, 2),
                lambda: [torch.randn(STEPS, BATCH, FEATURES)],
                device,
            )

    try:
        run("cpu")
    except (RuntimeError, NotImplementedError) as error:
        with pytest.raises(type(error)):
            run(DEVICE)
        return
    on_both(run)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("packing", [False, True])
def test_dropout_between_layers(kind: str, packing: bool) -> None:
    def run(seed: int, dropout: float, train: bool) -> torch.Tensor:
        torch.manual_seed(0)
        model = KINDS[kind](FEATURES, HIDDEN, 3, dropout=dropout).to(DEVICE).train(train)
        x = moved(packed()) if packing else torch.randn(STEPS, BATCH, FEATURES).to(DEVICE)
        torch.get_device_module(DEVICE).manual_seed(seed)
        return flat(model(x))[0]

    plain = run(0, 0.0, True)
    assert torch.equal(run(0, 0.5, False), plain)
    assert torch.equal(run(1, 0.5, True), run(1, 0.5, True))
    assert not torch.equal(run(1, 0.5, True), run(2, 0.5, True))
    assert not torch.equal(run(1, 0.5, True), plain)


@pytest.mark.parametrize("batch_first", [False, True])
def test_packing_utilities(batch_first: bool) -> None:
    x = torch.randn((BATCH, STEPS, 3) if batch_first else (STEPS, BATCH, 3))
    lengths = torch.tensor([3, 7, 1, 7])

    def run(device: str) -> Tensors:
        leaf = x.detach().to(device).requires_grad_()
        sequence = pack_padded_sequence(leaf, lengths, batch_first, enforce_sorted=False)
        assert sequence.data.device.type == device
        assert sequence.batch_sizes.device.type == "cpu"
        assert sequence.sorted_indices is not None
        padded, found = pad_packed_sequence(
            sequence, batch_first, padding_value=-2.0, total_length=9
        )
        assert found.device.type == "cpu"
        parts = unpack_sequence(sequence)
        weighted([padded * padded, *parts]).backward()
        assert leaf.grad is not None
        again = pack_sequence(parts, enforce_sorted=False)
        return [
            sequence.data, sequence.batch_sizes, sequence.sorted_indices, padded, found, *parts,
            leaf.grad, again.data, pad_sequence(parts, batch_first),
        ]  # fmt: skip

    on_both(run)


def test_packed_sequence_moves() -> None:
    sequence = moved(packed(enforce_sorted=False))
    assert sequence.data.device.type == DEVICE
    back = sequence.cpu()
    assert torch.equal(back.data, sequence.data.cpu())
    assert not sequence.is_cuda


def test_errors_are_the_cpus() -> None:
    def lengths_on_the_device() -> None:
        x = torch.ones(3, 2, 4, device=DEVICE)
        torch._VF._pack_padded_sequence(x, torch.tensor([3, 2]).to(DEVICE), False)

    with pytest.raises(RuntimeError, match="1D CPU int64 tensor"):
        lengths_on_the_device()
    for device in ("cpu", DEVICE):
        x = torch.ones(3, 2, 4, device=device)
        with pytest.raises(RuntimeError, match="sorted in decreasing order"):
            pack_padded_sequence(x, torch.tensor([1, 3]))
        with pytest.raises(RuntimeError, match="input_size"):
            nn.LSTMCell(5, 2, device=device)(x[0])
        with pytest.raises(RuntimeError, match="hidden_size"):
            nn.GRUCell(4, 2, device=device)(x[0], torch.ones(2, 3, device=device))
        with pytest.raises(RuntimeError, match="larger than 0"):
            nn.GRU(4, 2, device=device)(x[:0])
    with pytest.raises(RuntimeError, match="not at the same device"):
        nn.LSTM(4, 2)(torch.ones(3, 2, 4, device=DEVICE))


def test_training_follows_the_cpu() -> None:
    tokens = torch.randint(0, 11, (BATCH, 12))

    def run(device: str) -> Tensors:
        torch.manual_seed(0)
        embed = nn.Embedding(11, 8)
        rnn = nn.LSTM(8, 16, 2, batch_first=True)
        out = nn.Linear(16, 11)
        model = nn.ModuleList([embed, rnn, out]).to(device)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        losses = []
        for _ in range(5):
            optimizer.zero_grad()
            logits = out(rnn(embed(tokens[:, :-1].to(device)))[0])
            loss = nn.functional.cross_entropy(
                logits.flatten(0, 1), tokens[:, 1:].flatten().to(device)
            )
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(loss.detach())
        return [*losses, *(p.detach() for p in model.parameters())]

    on_both(run)


@pytest.mark.skipif(not EXACT, reason="this is the run that it starts")
def test_all_of_this_with_the_compiler() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    environment = {**os.environ, "TRIREME_COMPILE": "1"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:]
