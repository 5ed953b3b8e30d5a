# SPDX-License-Identifier: Apache-2.0
"""torch.trireme and torch.accelerator: names, memory, tensor and module methods."""

from __future__ import annotations

import copy
import importlib
from pathlib import Path

import pytest
import torch
from subprogram import check_program, run_program
from torch import nn

DEVICE = "trireme"


def test_device_needs_no_import(tmp_path: Path) -> None:
    out = check_program(
        "import torch, sys; print(torch.ones(3, device='trireme').sum().item())", tmp_path
    )
    assert out.strip() == "3.0"


def test_one_device() -> None:
    assert torch.trireme.is_available()
    assert torch.trireme.device_count() == 1
    assert torch.trireme.current_device() == 0
    assert torch.get_device_module(DEVICE) is torch.trireme
    torch.trireme.set_device(0)
    torch.trireme.set_device("trireme:0")
    for wrong in (1, "trireme:1", torch.device("trireme", 3)):
        with pytest.raises(RuntimeError, match="invalid device ordinal"):
            torch.trireme.set_device(wrong)
    with pytest.raises(ValueError, match="expected a trireme device"):
        torch.trireme.synchronize("cpu")


def test_index_beyond_the_device_is_refused() -> None:
    with pytest.raises(RuntimeError, match="invalid device ordinal"):
        torch.ones(2, device="trireme:1").cpu()


def test_accelerator_is_the_device() -> None:
    assert torch.accelerator.is_available()
    assert torch.accelerator.current_accelerator() == torch.device(DEVICE)
    assert torch.accelerator.device_count() == 1
    assert torch.accelerator.current_device_index() == 0
    torch.accelerator.set_device_index(0)
    torch.accelerator.synchronize()
    with torch.accelerator.device_index(0):
        assert torch.ones(2, device=torch.accelerator.current_accelerator()).sum() == 2


def test_device_context_managers() -> None:
    with torch.trireme.device(0):
        x = torch.ones(2, device=DEVICE)
    with torch.trireme.device_of(x), torch.trireme.device_of(torch.ones(1)):
        assert torch.trireme.current_device() == 0
    with torch.device(DEVICE):
        assert torch.zeros(2).device == torch.device("trireme:0")
    assert torch.zeros(2).device.type == "cpu"


def test_default_device() -> None:
    torch.set_default_device(DEVICE)
    try:
        layer = nn.Linear(3, 4)
        assert layer.weight.device.type == DEVICE
        assert torch.arange(4).device.type == DEVICE
    finally:
        torch.set_default_device(None)


def test_properties() -> None:
    properties = torch.trireme.get_device_properties()
    assert properties.name == torch.trireme.get_device_name(0)
    assert properties.total_memory > 2**20
    assert properties.multi_processor_count >= 1
    major, minor = torch.trireme.get_device_capability()
    assert (major, minor) >= (8, 0)  # what programs ask before they use bfloat16
    assert torch.trireme.is_bf16_supported()


def test_tensor_and_module_methods() -> None:
    x = torch.arange(4.0)
    y = x.trireme()
    assert y.is_trireme
    assert not x.is_trireme
    assert y.device == torch.device("trireme:0")
    assert y.trireme(0).data_ptr() == y.data_ptr()
    assert torch.equal(y.cpu(), x)
    layer = nn.Linear(2, 2).trireme()
    assert all(p.is_trireme for p in layer.parameters())
    packed = nn.utils.rnn.pack_sequence([x, x[:2]])
    assert packed.trireme().is_trireme
    assert not packed.is_trireme
    assert y.untyped_storage().is_trireme


def test_methods_of_subclasses() -> None:
    class Seen(torch.Tensor):
        pass

    assert isinstance(torch.ones(2).as_subclass(Seen).trireme(), Seen)


def test_tied_weights_stay_tied() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(5, 3)
            self.head = nn.Linear(3, 5, bias=False)
            self.head.weight = self.embed.weight

    model = Tied()
    before = model.embed.weight
    model.to(DEVICE)
    assert model.embed.weight is model.head.weight
    assert model.embed.weight is before  # as on CUDA: the parameter is moved, not replaced
    model.cpu()
    assert model.embed.weight is model.head.weight
    clone = copy.deepcopy(model.to(DEVICE))
    assert clone.embed.weight is clone.head.weight
    assert clone.embed.weight is not model.embed.weight


def test_views_stay_views_in_to() -> None:
    base = torch.arange(6.0, device=DEVICE)
    view = base.view(2, 3).to(DEVICE)
    view.add_(1)
    assert base.cpu().tolist() == [1, 2, 3, 4, 5, 6]


def test_optimizer_keeps_its_parameters_over_a_move() -> None:
    layer = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(layer.parameters(), lr=1.0)
    layer.to(DEVICE)
    before = layer.weight.detach().cpu().clone()
    layer(torch.ones(1, 2, device=DEVICE)).sum().backward()
    optimizer.step()
    assert torch.equal(layer.weight.detach().cpu(), before - 1)


def test_memory_statistics() -> None:
    torch.trireme.synchronize()
    torch.trireme.reset_peak_memory_stats()
    before = torch.trireme.memory_allocated()
    x = torch.ones(1 << 20, device=DEVICE)
    torch.trireme.synchronize()
    grown = torch.trireme.memory_allocated() - before
    assert grown >= 4 << 20
    assert torch.trireme.max_memory_allocated() >= before + (4 << 20)
    assert torch.trireme.memory_reserved() >= torch.trireme.memory_allocated()
    del x
    torch.trireme.synchronize()
    assert torch.trireme.memory_allocated() <= before
    assert torch.trireme.max_memory_allocated() >= before + (4 << 20)
    torch.trireme.reset_peak_memory_stats()
    assert torch.trireme.max_memory_allocated() < before + (4 << 20)
    torch.trireme.empty_cache()
    assert torch.trireme.memory_reserved() >= torch.trireme.memory_allocated()


def test_accelerator_memory_is_the_same() -> None:
    x = torch.ones(1 << 18, device=DEVICE)
    torch.accelerator.synchronize()
    assert torch.accelerator.memory_allocated() == torch.trireme.memory_allocated()
    assert torch.accelerator.max_memory_allocated() == torch.trireme.max_memory_allocated()
    torch.accelerator.reset_peak_memory_stats()
    torch.accelerator.empty_cache()
    assert x.sum().item() == 1 << 18


def test_memory_reports() -> None:
    stats = torch.trireme.memory_stats()
    for kind in ("allocated_bytes", "reserved_bytes"):
        assert {f"{kind}.all.current", f"{kind}.all.peak"} <= stats.keys()
    nested = torch.trireme.memory_stats_as_nested_dict()
    assert nested["allocated_bytes"]["all"].keys() >= {"current", "peak"}
    free, total = torch.trireme.mem_get_info()
    assert 0 < free <= total
    summary = torch.trireme.memory_summary()
    assert len({len(line) for line in summary.splitlines()}) == 1
    assert "Allocated memory" in summary


def test_memory_limit_raises_out_of_memory() -> None:
    _, total = torch.trireme.mem_get_info()
    torch.trireme.empty_cache()
    used = torch.trireme.memory_allocated()
    torch.trireme.set_per_process_memory_fraction((used + (64 << 20)) / total)
    try:
        with pytest.raises(torch.OutOfMemoryError) as error:
            torch.ones(256 << 20, device=DEVICE).cpu()
        assert "MiB" in str(error.value) or "GiB" in str(error.value)
        assert torch.trireme.memory_stats()["num_ooms"] >= 1
    finally:
        torch.trireme.set_per_process_memory_fraction(1.0)
    assert torch.ones(4, device=DEVICE).sum().item() == 4
    with pytest.raises(ValueError, match="between 0 and 1"):
        torch.trireme.set_per_process_memory_fraction(1.5)


def test_autoload_is_quick(tmp_path: Path) -> None:
    """CPU seconds that the device adds to `import torch`; it imports nothing heavy."""
    source = """
    import sys, time, torch
    before = set(sys.modules)
    start = time.process_time()
    import trireme
    trireme._autoload()
    print(time.process_time() - start)
    added = {name.split(".")[0] for name in set(sys.modules) - before}
    assert added <= {"trireme", "torch", "__future__"}, added
    assert "torch._dynamo" not in sys.modules
    assert hasattr(torch, "trireme")
    """
    environment = {"TORCH_DEVICE_BACKEND_AUTOLOAD": "0"}
    seconds = min(float(check_program(source, tmp_path, environment=environment)) for _ in range(3))
    assert seconds < 0.15  # alone, with byte code cached: 0.04


def test_submodules_can_be_imported() -> None:
    for name in ("amp", "memory", "random", "streams"):
        assert importlib.import_module(f"torch.trireme.{name}") is getattr(torch.trireme, name)


def test_public_functions() -> None:
    import trireme

    before = trireme.counters()["calls"]
    torch.ones(3, device=DEVICE).add_(1).cpu()
    assert trireme.counters()["calls"] > before
    assert "explain(enable=True)" in trireme.explain()  # says how to get something
    trireme.explain(enable=True)
    torch.ones(3, device=DEVICE).cosh()
    line = next(line for line in trireme.explain(enable=False).splitlines() if "cosh" in line)
    assert "f32 3" in line
    assert "test_module.py" in line
    assert trireme.__version__.count(".") == 2


def test_pin_memory() -> None:
    x = torch.arange(8.0)
    pinned = x.pin_memory()
    assert pinned.is_pinned()
    assert not x.is_pinned()
    moved = pinned.to(DEVICE, non_blocking=True)
    assert torch.equal(moved.cpu(), x)
    assert torch.empty(4, pin_memory=True).is_pinned()


def test_copy_to_the_host_does_not_block_unless_asked() -> None:
    x = torch.arange(1000.0, device=DEVICE)
    y = (x * 2).to("cpu", non_blocking=True)
    torch.trireme.synchronize()
    assert torch.equal(y, torch.arange(1000.0) * 2)


def test_host_tensor_may_change_after_the_copy_started() -> None:
    x = torch.ones(1 << 16)
    y = x.to(DEVICE, non_blocking=True)
    x.zero_()  # not pinned: the copy must have been taken
    assert y.sum().item() == 1 << 16


def test_mixing_devices_raises() -> None:
    with pytest.raises(RuntimeError, match="same device"):
        torch.ones(2, device=DEVICE) + torch.ones(2)
    # a CPU scalar tensor is fine, as on CUDA
    assert (torch.ones(2, device=DEVICE) * torch.tensor(3.0)).cpu().tolist() == [3, 3]


def test_error_nobody_waited_for_is_one_line_at_exit(tmp_path: Path) -> None:
    done = run_program(
        """
        import torch
        table = torch.ones(4, 2, device="trireme")
        index = torch.tensor([1, 9]).to("trireme")
        torch.nn.functional.embedding(index, table)
        """,
        tmp_path,
    )
    assert done.returncode == 0
    lines = [line for line in done.stderr.splitlines() if line.startswith("trireme: warning")]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr


def test_dying_program_abandons_its_work(tmp_path: Path) -> None:
    done = run_program(
        """
        import torch
        x = torch.ones(512, 512, device="trireme")
        for _ in range(200):
            x = x @ x
        raise ValueError("the program's own error")
        """,
        tmp_path,
    )
    assert done.returncode == 1
    assert done.stderr.strip().endswith("ValueError: the program's own error")


def test_exit_status_is_the_programs(tmp_path: Path) -> None:
    done = run_program(
        "import sys, torch\ntorch.ones(3, device='trireme').mul_(2)\nsys.exit(7)", tmp_path
    )
    assert (done.returncode, done.stderr) == (7, "")


def test_interrupt_ends_the_program_at_once(tmp_path: Path) -> None:
    done = run_program(
        """
        import os, signal, threading, torch
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
        x = torch.ones(1024, 1024, device="trireme")
        threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        while True:
            x = (x @ x).clamp(max=1)
        """,
        tmp_path,
    )
    assert "KeyboardInterrupt" in done.stderr
    assert done.returncode in (-2, 130)


def test_missing_compiled_module_does_not_break_torch(tmp_path: Path) -> None:
    source = """
    import sys
    sys.modules["trireme._C"] = None  # what an import of a missing module meets
    import torch
    print(torch.ones(2).sum().item())
    """
    done = run_program(source, tmp_path)
    assert done.returncode == 0
    assert done.stdout.strip() == "2.0"
    assert "the device 'trireme' is not available" in done.stderr
