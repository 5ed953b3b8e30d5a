# SPDX-License-Identifier: Apache-2.0
"""Errors: at the call what eager raises at the call; what only execution finds, at the next wait, with
the op, the file and the line; and no way of ending a program hangs or crashes."""

from __future__ import annotations

import contextlib
import inspect
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
import traceback
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from conftest import TARGET

pytestmark = pytest.mark.skipif(TARGET == "cpu", reason="the CPU has no work pending")


def line() -> int:
    """The caller's line number."""
    frame = inspect.currentframe()
    assert frame is not None and frame.f_back is not None
    return frame.f_back.f_lineno


def eager_error(call: Callable[[str], Any]) -> type[Exception]:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        call("cpu")
    return caught.type


# What execution alone can find: (the op as it is named, the call).
LATE: dict[str, tuple[str, Callable[[str], torch.Tensor]]] = {
    "embedding": (
        "aten::embedding",
        lambda d: F.embedding(torch.tensor([1, 99], device=d), torch.ones(4, 3, device=d)),
    ),
    "gather": (
        "aten::gather",
        lambda d: torch.ones(2, 3, device=d).gather(1, torch.tensor([[5]], device=d)),
    ),
    "index_select": (
        "aten::index_select",
        lambda d: torch.ones(2, 3, device=d).index_select(0, torch.tensor([7], device=d)),
    ),
    "index": ("aten::index", lambda d: torch.ones(5, device=d)[torch.tensor([9], device=d)]),
    "cross_entropy": (
        "aten::nll_loss",
        lambda d: F.cross_entropy(torch.ones(2, 3, device=d), torch.tensor([0, 5], device=d)),
    ),
    "scatter": (
        "aten::scatter",
        lambda d: torch.zeros(4, device=d).scatter(
            0, torch.tensor([8], device=d), torch.ones(1, device=d)
        ),
    ),
    "take": ("aten::take", lambda d: torch.ones(4, device=d).take(torch.tensor([44], device=d))),
    "cholesky": ("linalg", lambda d: torch.linalg.cholesky(-torch.eye(3, device=d))),
}

WAITS: dict[str, Callable[[torch.Tensor], Any]] = {
    "cpu": lambda t: t.cpu(),
    "item": lambda t: t.sum().item(),
    "synchronize": lambda t: torch.accelerator.synchronize(),
    "tolist": lambda t: t.tolist(),
    "bool": lambda t: bool((t > 0).all()),
    "repr": lambda t: repr(t),
}


def read_error(call: Callable[[], Any]) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        call()
    assert isinstance(caught.value, Exception)
    # A traceback keeps the frame of `repr`, and with it torch.func switched off (_DisableFuncTorch).
    traceback.clear_frames(caught.tb)
    return caught.value


@pytest.fixture(autouse=True)
def _clean() -> Any:
    """An error that the last test left is raised by one synchronize, and by one only."""
    yield
    with contextlib.suppress(Exception):
        torch.accelerator.synchronize()
    torch.accelerator.synchronize()


@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize("name", LATE)
def test_found_by_execution(name: str, wait: str, device: torch.device) -> None:
    op, call = LATE[name]
    expected = eager_error(call)

    try:
        out = call(str(device))
    except Exception as early:  # at the call, as eager does: the traceback shows the line
        assert isinstance(early, expected), f"{type(early).__name__}: {early}"
        return
    error = read_error(lambda: WAITS[wait](out))
    assert isinstance(error, expected), f"{type(error).__name__}: {error}"
    assert op in str(error), error
    assert os.path.basename(__file__) in str(error), error


def test_message_names_the_line(device: torch.device) -> None:
    table = torch.ones(4, 3, device=device)
    issued = line() + 4

    def work(index: list[int]) -> Any:
        where = torch.tensor(index, device=device)
        out = F.embedding(where, table)
        for _ in range(5):
            out = out * 2
        return out.tolist()

    work([1, 2])  # calls of unknown form may wait; these are known from here on
    error = read_error(lambda: work([1, 99]))
    assert isinstance(error, IndexError)
    # The call itself, or PyTorch's own Python function that it went through with this file above.
    assert re.search(rf"{re.escape(os.path.basename(__file__))}:{issued}\b", str(error)), error


def test_dependents_raise_and_others_stay_right(device: torch.device) -> None:
    table = torch.ones(4, 3, device=device)
    good_before = torch.full((3,), 2.0, device=device) * 3

    def work(row: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        bad = F.embedding(torch.tensor([row], device=device), table)
        dependent = (bad + 1).sum()
        return bad, dependent, dependent * 2

    work(1)  # calls of unknown form may wait; these are known from here on
    torch.accelerator.synchronize()
    bad, dependent, second = work(99)
    good_after = table.sum() + 1
    assert good_after.item() == 13.0
    assert good_before.tolist() == [6.0, 6.0, 6.0]
    for tensor in (bad, dependent, second):
        error = read_error(tensor.cpu)
        assert isinstance(error, IndexError)
        assert "aten::embedding" in str(error)
    assert (good_before + 1).tolist() == [7.0, 7.0, 7.0]


def test_writing_a_part_keeps_the_error_and_the_whole_heals(device: torch.device) -> None:
    def work() -> Any:
        bad = F.embedding(torch.tensor([9, 9], device=device), torch.ones(4, 3, device=device))
        bad[0] = 1.0
        return bad.cpu()

    assert isinstance(read_error(work), IndexError)
    bad = F.embedding(torch.tensor([9, 9], device=device), torch.ones(4, 3, device=device))
    other = torch.ones(2, device=device)
    assert other.sum().item() == 2.0
    assert isinstance(read_error(bad.cpu), IndexError)


def test_in_place_through_a_view_poisons_the_base(device: torch.device) -> None:
    base = torch.zeros(6, device=device)

    def work() -> Any:
        base[2:5].scatter_(0, torch.tensor([40], device=device), torch.ones(1, device=device))
        return base.cpu()

    error = read_error(work)
    assert isinstance(error, (IndexError, RuntimeError))
    assert "aten::scatter_" in str(error)


def test_error_in_backward(device: torch.device) -> None:
    weights = torch.ones(3, 2, device=device, requires_grad=True)
    index = torch.tensor([0, 70], device=device)

    def work() -> Any:
        F.embedding(index, weights).sum().backward()
        return weights.grad.cpu()  # type: ignore[union-attr]

    error = read_error(work)
    assert isinstance(error, IndexError)


def test_work_goes_on_after_an_error(device: torch.device) -> None:
    for _ in range(20):
        bad = torch.ones(4, device=device).gather(0, torch.tensor([9], device=device))
        assert isinstance(read_error(bad.cpu), (IndexError, RuntimeError))
        assert torch.arange(4, device=device).sum().item() == 6


def test_an_error_that_nobody_waits_for_is_not_raised_by_others(device: torch.device) -> None:
    bad = torch.ones(4, device=device).gather(0, torch.tensor([9], device=device))
    del bad
    assert torch.ones(2, device=device).tolist() == [1.0, 1.0]


AT_CALL: dict[str, Callable[[str], Any]] = {
    "matmul shapes": lambda d: torch.ones(2, 3, device=d) @ torch.ones(2, 3, device=d),
    "add shapes": lambda d: torch.ones(2, device=d) + torch.ones(3, device=d),
    "cat shapes": lambda d: torch.cat([torch.ones(2, 2, device=d), torch.ones(3, 3, device=d)]),
    "cat dtype out": lambda d: torch.cat(
        [torch.ones(2, device=d)], out=torch.ones(2, dtype=torch.int64, device=d)
    ),
    "view": lambda d: torch.ones(2, 3, device=d).t().view(6),
    "reshape": lambda d: torch.ones(6, device=d).reshape(4, 2),
    "expand": lambda d: torch.ones(2, 3, device=d).expand(4, 3),
    "dim out of range": lambda d: torch.ones(2, 3, device=d).sum(5),
    "select out of range": lambda d: torch.ones(2, 3, device=d)[7],
    "int index out of range": lambda d: torch.ones(2, 3, device=d).select(1, 9),
    "bitwise of floats": lambda d: torch.ones(2, device=d) & torch.ones(2, device=d),
    "softmax of ints": lambda d: torch.ones(2, dtype=torch.int64, device=d).softmax(0),
    "mean of ints": lambda d: torch.ones(2, dtype=torch.int64, device=d).mean(),
    "result type": lambda d: torch.ones(2, dtype=torch.int64, device=d).add_(1.5),
    "bool subtraction": lambda d: torch.ones(2, device=d).bool() - torch.ones(2, device=d).bool(),
    "in-place broadcast": lambda d: torch.ones(2, device=d).add_(torch.ones(3, 2, device=d)),
    "in-place on a leaf": lambda d: torch.ones(2, device=d, requires_grad=True).add_(1),
    "conv channels": lambda d: F.conv2d(
        torch.ones(1, 3, 8, 8, device=d), torch.ones(4, 2, 3, 3, device=d)
    ),
    "conv kernel too large": lambda d: F.conv2d(
        torch.ones(1, 3, 2, 2, device=d), torch.ones(4, 3, 5, 5, device=d)
    ),
    "linear shapes": lambda d: F.linear(torch.ones(2, 3, device=d), torch.ones(4, 5, device=d)),
    "linear dtypes": lambda d: F.linear(
        torch.ones(2, 3, device=d), torch.ones(4, 3, device=d, dtype=torch.float64)
    ),
    "index put values": lambda d: torch.ones(5, device=d).index_put_(
        (torch.tensor([0, 1], device=d),), torch.ones(3, device=d)
    ),
    "index too many": lambda d: torch.ones(2, device=d)[torch.zeros(1, dtype=torch.long, device=d), 0],
    "mask shape": lambda d: torch.ones(2, device=d)[torch.ones(3, dtype=torch.bool, device=d)],
    "index dtype": lambda d: torch.ones(2, device=d).index_select(0, torch.ones(1, device=d)),
    "gather rank": lambda d: torch.ones(2, 2, device=d).gather(0, torch.zeros(1, 1, 1, device=d).long()),
    "embedding index dtype": lambda d: F.embedding(torch.ones(2, device=d), torch.ones(4, 3, device=d)),
    "alpha of the wrong kind": lambda d: torch.add(
        torch.ones(2, device=d).long(), torch.ones(2, device=d).long(), alpha=1.5
    ),
    "complex number for real tensors": lambda d: torch.ones(2, device=d).addcdiv_(
        torch.ones(2, device=d), torch.ones(2, device=d), value=1 + 2j
    ),
    "complex weight of real tensors": lambda d: torch.lerp(
        torch.ones(2, device=d), torch.ones(2, device=d), 1 + 2j
    ),
    "norm shape": lambda d: F.layer_norm(torch.ones(2, 3, device=d), (4,)),
    "group count": lambda d: F.group_norm(torch.ones(2, 3, 4, device=d), 2),
    "dropout p": lambda d: F.dropout(torch.ones(2, device=d), 1.5),
    "cross entropy shapes": lambda d: F.cross_entropy(
        torch.ones(2, 3, device=d), torch.zeros(5, dtype=torch.long, device=d)
    ),
    "masked fill of a tensor value": lambda d: torch.ones(2, device=d).masked_fill_(
        torch.ones(2, dtype=torch.bool, device=d), torch.ones(2, device=d)
    ),
    "backward twice": lambda d: _backward_twice(d),
    "backward of a vector": lambda d: torch.ones(2, device=d, requires_grad=True).mul(2).backward(),
    "copy into an expanded tensor": lambda d: torch.ones(1, device=d).expand(4).copy_(
        torch.arange(4.0, device=d)
    ),
    "negative size": lambda d: torch.ones(-1, device=d),
    "item of many": lambda d: torch.ones(2, device=d).item(),
    "bool of many": lambda d: bool(torch.ones(2, device=d)),
    "topk k": lambda d: torch.ones(3, device=d).topk(5),
    "squeeze dim": lambda d: torch.ones(3, device=d).squeeze(4),
    "unfold size": lambda d: torch.ones(3, device=d).unfold(0, 9, 1),
    "stack sizes": lambda d: torch.stack([torch.ones(2, device=d), torch.ones(3, device=d)]),
    "bmm ranks": lambda d: torch.bmm(torch.ones(2, 3, device=d), torch.ones(3, 2, device=d)),
    "addmm dtypes": lambda d: torch.mm(torch.ones(2, 2, device=d), torch.ones(2, 2, device=d).long()),
    "cholesky of a vector": lambda d: torch.linalg.cholesky(torch.ones(3, device=d)),
    "solve of odd shapes": lambda d: torch.linalg.solve(
        torch.ones(2, 3, device=d), torch.ones(2, device=d)
    ),
    "amax of an empty dimension": lambda d: torch.ones(0, 3, device=d).amax(0),
    "max pool output": lambda d: F.max_pool2d(torch.ones(1, 1, 2, 2, device=d), 5),
    "interpolate size": lambda d: F.interpolate(torch.ones(1, 1, 4, 4, device=d), size=(0, 0)),
    "batch norm of one value": lambda d: F.batch_norm(
        torch.ones(1, 3, device=d), None, None, training=True
    ),
    "out= that requires grad": lambda d: torch.add(
        torch.ones(2, device=d), 1, out=torch.ones(2, device=d, requires_grad=True)
    ),
}  # fmt: skip


def _backward_twice(device: str) -> None:
    x = torch.ones(2, device=device, requires_grad=True)
    y = (x * x).sum()
    y.backward()
    y.backward()


@pytest.mark.parametrize("name", AT_CALL)
def test_raised_at_the_call_as_by_eager(name: str, device: torch.device) -> None:
    call = AT_CALL[name]
    try:
        call("cpu")
        expected = None
    except Exception as error:
        expected = error
    if expected is None:
        call(str(device))
        torch.accelerator.synchronize()
        return
    with pytest.raises(type(expected)) as caught:
        call(str(device))
    assert type(caught.value) is type(expected)


class TestDevices:
    """Tensors of several devices in one call: as on CUDA."""

    @pytest.mark.parametrize(
        "call",
        [
            lambda a, b: a + b,
            lambda a, b: b * a,
            lambda a, b: a @ b,
            lambda a, b: torch.cat([a, b]),
            lambda a, b: torch.where(a > 0, a, b),
            lambda a, b: a.add_(b),
            lambda a, b: b.add_(a),
            lambda a, b: F.linear(a, b),
            lambda a, b: F.mse_loss(a, b),
            lambda a, b: torch.add(a, a, out=b),
            lambda a, b: torch.addmm(a, a, b),
            lambda a, b: F.embedding(torch.zeros(2, dtype=torch.long), a),
            lambda a, b: F.layer_norm(a, (3,), weight=b[0]),
        ],
    )
    def test_mixed_tensors_raise_at_the_call(
        self, call: Callable[[Any, Any], Any], device: torch.device
    ) -> None:
        a, b = torch.ones(3, 3, device=device), torch.ones(3, 3)
        with pytest.raises(RuntimeError, match="(?i)same device|expected.*device|device"):
            call(a, b)

    def test_message_is_eagers(self, device: torch.device) -> None:
        with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
            torch.ones(3, device=device) + torch.ones(3)

    def test_scalars_on_the_cpu_mix(self, device: torch.device) -> None:
        scalar = torch.tensor(2.0)
        x = torch.arange(3.0, device=device)
        assert (x * scalar).tolist() == [0.0, 2.0, 4.0]
        assert (scalar - x).tolist() == [2.0, 1.0, 0.0]
        assert x.add_(scalar).tolist() == [2.0, 3.0, 4.0]
        assert torch.where(x > 2, x, scalar).tolist() == [2.0, 3.0, 4.0]
        x[1] = torch.tensor(7.0)
        assert x.tolist() == [2.0, 7.0, 4.0]

    def test_a_scalar_changed_after_the_call_does_not_matter(self, device: torch.device) -> None:
        scalar = torch.tensor(2.0)
        x = torch.ones(1000, device=device)
        for _ in range(50):
            x = x * 1.0
        y = x * scalar
        scalar.fill_(100.0)
        assert y.sum().item() == 2000.0

    def test_cpu_indices_are_allowed(self, device: torch.device) -> None:
        x = torch.arange(6.0, device=device)
        index = torch.tensor([1, 3])
        assert x[index].tolist() == [1.0, 3.0]
        x[index] = 9.0
        assert x.tolist() == [0.0, 9.0, 2.0, 9.0, 4.0, 5.0]
        mask = torch.tensor([True, False, True, False, False, False])
        assert x[mask].tolist() == [0.0, 2.0]
        host = torch.arange(6.0)
        with pytest.raises((RuntimeError, IndexError)):
            host[index.to(device)].sum().item()

    def test_copies_between_devices_with_work_pending(self, device: torch.device) -> None:
        for shape in ((), (6,), (4, 6), (0,)):
            for _ in range(100):
                host = torch.randn(shape)
                y = (torch.randn(shape).to(device) + 1).tanh()
                expected = host.clone()
                y.copy_(host)
                host.zero_()
                assert torch.equal(y.cpu(), expected)


# Programs in processes of their own.


def run(
    source: str, env: dict[str, str] | None = None, timeout: float = 90.0
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(source)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **(env or {})},
        check=False,
    )


# A background job of a shell ignores Ctrl-C.
INTERRUPTIBLE = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
PENDING = """
import os, sys, torch
x = torch.ones(300, 300, device="trireme")
for _ in range(300):
    x = (x @ x).clamp(-1, 1)
"""


def program(tail: str) -> str:
    return PENDING + textwrap.dedent(tail)


def test_sync_mode_raises_at_the_call() -> None:
    done = run(
        """
        import torch, torch.nn.functional as F
        index, table = torch.tensor([99], device="trireme"), torch.ones(4, 3, device="trireme")
        try:
            F.embedding(index, table)
        except IndexError:
            print("at the call")
        """,
        {"TRIREME_SYNC": "1"},
    )
    assert done.stdout.strip() == "at the call", done.stderr


@pytest.mark.parametrize(
    ("tail", "code"),
    [
        ("", 0),
        ("sys.exit(3)", 3),
        ("raise ValueError('mine')", 1),
        ("y = x.sum().item()", 0),
        ("del x", 0),
        ("os._exit(5)", 5),
        ("import threading; threading.Thread(target=lambda: x.cpu()).start()", 0),
        ("import threading; threading.Thread(target=lambda: x.cpu(), daemon=True).start()", 0),
        ("import atexit; atexit.register(lambda: print(x.sum().item()))", 0),
        ("class C:\n    def __del__(self): torch.ones(3, device='trireme') + 1\nc = C()", 0),
        (
            "bad = torch.embedding(torch.ones(4, 2, device='trireme'), torch.tensor([9], device='trireme'))",
            0,
        ),
        ("torch.set_default_device('trireme'); y = torch.ones(3) * 2", 0),
        ("import gc; x.cycle = x; del x; gc.collect()", 0),
    ],
)
def test_a_program_may_end_with_work_pending(tail: str, code: int) -> None:
    done = run(program(tail))
    assert done.returncode == code, done.stderr


def test_an_uncaught_late_error_ends_the_program_with_a_traceback() -> None:
    done = run(
        program(
            """
            bad = torch.embedding(torch.ones(4, 2, device='trireme'), torch.tensor([9], device='trireme'))
            print(bad.sum().item())
            """
        )
    )
    assert done.returncode == 1
    assert "IndexError" in done.stderr and "aten::embedding" in done.stderr


@pytest.mark.parametrize("where", ["compute", "wait"])
def test_interrupt(where: str) -> None:
    """Ctrl-C reaches the program and ends it, in a wait as well as between calls."""
    loop = {
        "compute": "while True:\n    x = (x @ x).clamp(-1, 1)\n",
        "wait": "while True:\n    x = (x @ x).clamp(-1, 1)\n    x.sum().item()\n",
    }[where]
    child = subprocess.Popen(
        [sys.executable, "-c", PENDING + INTERRUPTIBLE + "print('ready', flush=True)\n" + loop],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None and child.stdout.readline().strip() == "ready"
        time.sleep(1.0)
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=60)
    finally:
        child.kill()
    assert "KeyboardInterrupt" in errors
    assert child.returncode in (1, 130, -signal.SIGINT)


def test_terminate() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", PENDING + "print('ready', flush=True)\nwhile True: x = x * 1.0\n"],
        stdout=subprocess.PIPE,
    )
    try:
        assert child.stdout is not None and child.stdout.readline().strip() == b"ready"
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=30) == -signal.SIGTERM
    finally:
        child.kill()


def test_fork_with_work_pending() -> None:
    done = run(
        program(
            """
            child = os.fork()
            if child == 0:
                try:
                    (torch.ones(2, device="trireme") + 1).cpu()
                except RuntimeError as error:
                    print("child:", type(error).__name__, flush=True)
                    os._exit(7)
                os._exit(0)
            _, status = os.waitpid(child, 0)
            print("child ended with", os.waitstatus_to_exitcode(status))
            print("parent", x.sum().item() == x.sum().item())
            """
        )
    )
    assert done.returncode == 0, done.stderr
    assert "child: RuntimeError" in done.stdout
    assert "child ended with 7" in done.stdout
    assert "parent True" in done.stdout


def test_a_forked_child_that_leaves_the_device_alone_ends_well() -> None:
    done = run(
        program(
            """
            child = os.fork()
            if child == 0:
                total = torch.ones(3).sum().item()
                sys.exit(int(total))
            _, status = os.waitpid(child, 0)
            print(os.waitstatus_to_exitcode(status), x.shape)
            """
        )
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3 "), done.stdout


def test_errors_in_threads() -> None:
    done = run(
        program(
            """
            import threading
            seen = []
            def work(k):
                t = torch.ones(4, device="trireme")
                index = torch.tensor([k], device="trireme")
                try:
                    seen.append((k, t.take(index).item()))
                except IndexError:
                    seen.append((k, "IndexError"))
            threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
            [t.start() for t in threads]; [t.join() for t in threads]
            print(sorted(seen, key=lambda s: s[0]) == [(k, 1.0 if k < 4 else "IndexError") for k in range(8)])
            """
        )
    )
    assert done.stdout.strip() == "True", done.stderr


def test_an_index_that_is_written_to_is_refused_at_the_call(device: torch.device) -> None:
    index = torch.tensor([2, 1, 0], device=device)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="unsupported operation"):
            index.index_put_((index,), index.clone())
    assert index.tolist() == [2, 1, 0]
