# SPDX-License-Identifier: Apache-2.0
"""Recurrent networks give the CPU's values and gradients, bit for bit."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import (
    PackedSequence,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
    unpack_sequence,
)

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


def on_both(run: Callable[[str], Tensors]) -> None:
    for number, (a, b) in enumerate(zip(run("cpu"), run(DEVICE), strict=True)):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        assert torch.equal(a, b.cpu()), f"tensor {number}: {(a - b.cpu()).abs().max()}"


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
