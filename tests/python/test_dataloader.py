# SPDX-License-Identifier: Apache-2.0
"""DataLoader with workers, and processes that share nothing with the device but its name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from subprogram import check_program, run_program
from torch.utils.data import DataLoader, TensorDataset

DEVICE = "trireme"

DATASET = """
import torch
from torch.utils.data import DataLoader, Dataset

class Squares(Dataset):
    def __len__(self):
        return 64

    def __getitem__(self, i):
        return torch.full((3,), float(i * i)), torch.rand(())
"""


@pytest.mark.parametrize("pin", [False, True])
def test_no_workers(pin: bool) -> None:
    data = TensorDataset(torch.arange(32.0).view(16, 2), torch.arange(16))
    seen = 0
    for x, y in DataLoader(data, batch_size=4, shuffle=True, pin_memory=pin):
        assert x.is_pinned() == pin
        assert torch.equal(x.to(DEVICE, non_blocking=pin)[:, 0].cpu().long(), y * 2)
        seen += len(y)
    assert seen == 16


def test_dataset_on_the_device() -> None:
    data = TensorDataset(torch.arange(16.0, device=DEVICE))
    batches = [x for (x,) in DataLoader(data, batch_size=8)]
    assert all(x.device.type == DEVICE for x in batches)
    assert torch.cat(batches).sum().item() == 120


def test_shuffle_generator_is_the_hosts() -> None:
    torch.manual_seed(0)
    order = [x.tolist() for x in DataLoader(torch.arange(8), shuffle=True)]
    torch.manual_seed(0)
    assert [x.tolist() for x in DataLoader(torch.arange(8), shuffle=True)] == order


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("pin", [False, True])
def test_workers_while_the_device_is_busy(tmp_path: Path, method: str, pin: bool) -> None:
    out = check_program(
        DATASET
        + f"""
if __name__ == "__main__":
    busy = torch.ones(256, 256, device="trireme")
    for _ in range(20):
        busy = (busy @ busy).clamp(max=1)  # pending while the workers start
    loader = DataLoader(Squares(), batch_size=8, num_workers=2, pin_memory={pin},
                        multiprocessing_context="{method}", persistent_workers=True)
    for epoch in range(2):
        total = sum(x.to("trireme", non_blocking=True)[:, 0].sum().item() for x, _ in loader)
        print(total)
    print(busy.max().item())
""",
        tmp_path,
    )
    assert out.split() == ["85344.0", "85344.0", "1.0"]


def test_forked_child_that_uses_the_device(tmp_path: Path) -> None:
    out = check_program(
        """
        import os, sys, torch

        x = torch.ones(3, device="trireme")
        x.sum().item()

        def attempt(action):
            try:
                action()
            except RuntimeError as error:
                print(str(error).splitlines()[0], flush=True)
            else:
                print("no error", flush=True)

        pid = os.fork()
        if pid == 0:
            attempt(lambda: torch.ones(2, device="trireme"))
            attempt(lambda: x + 1)
            attempt(lambda: x.cpu())
            attempt(lambda: torch.trireme.synchronize())
            print(torch.trireme._is_in_bad_fork(), torch.trireme.is_initialized())
            torch.manual_seed(3)  # as every DataLoader worker does
            print(torch.ones(2).sum().item(), flush=True)  # the CPU is not concerned
            sys.exit(0)
        _, status = os.waitpid(pid, 0)
        print(status, (x + 1).sum().item(), torch.trireme._is_in_bad_fork())
        """,
        tmp_path,
    )
    lines = out.splitlines()
    clear = "Cannot re-initialize trireme in forked subprocess. To use trireme with "
    clear += "multiprocessing, you must use the 'spawn' start method"
    assert lines[:4] == [clear] * 4
    assert lines[4:] == ["True False", "2.0", "0 6.0 False"]


def test_fork_before_the_device_is_used(tmp_path: Path) -> None:
    out = check_program(
        """
        import os, sys, torch
        pid = os.fork()
        print(torch.ones(3, device="trireme").sum().item(), flush=True)
        if pid == 0:
            sys.exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        """,
        tmp_path,
    )
    assert out.split() == ["3.0", "3.0"]


def test_worker_that_uses_the_device_reports_it(tmp_path: Path) -> None:
    done = run_program(
        """
        import torch
        from torch.utils.data import DataLoader, Dataset

        class OnDevice(Dataset):
            def __len__(self):
                return 4

            def __getitem__(self, i):
                return torch.ones(2, device="trireme").cpu()

        torch.ones(1, device="trireme").item()
        for _ in DataLoader(OnDevice(), num_workers=1, multiprocessing_context="fork"):
            pass
        """,
        tmp_path,
    )
    assert done.returncode == 1
    assert "Cannot re-initialize trireme in forked subprocess" in done.stderr


def test_spawned_process_has_a_device_of_its_own(tmp_path: Path) -> None:
    out = check_program(
        """
        import torch
        import torch.multiprocessing as mp

        def work(queue):
            queue.put(torch.arange(5, device="trireme").sum().item())

        if __name__ == "__main__":
            torch.ones(1, device="trireme").item()
            context = mp.get_context("spawn")
            queue = context.Queue()
            process = context.Process(target=work, args=(queue,))
            process.start()
            print(queue.get(timeout=120))
            process.join()
            print(process.exitcode)
        """,
        tmp_path,
    )
    assert out.split() == ["10", "0"]


def test_device_tensors_are_not_shared_between_processes(tmp_path: Path) -> None:
    done = run_program(
        """
        import torch
        import torch.multiprocessing as mp

        def work(x):
            pass

        if __name__ == "__main__":
            process = mp.get_context("spawn").Process(
                target=work, args=(torch.ones(1, device="trireme"),))
            process.start()
        """,
        tmp_path,
    )
    assert done.returncode == 1
    assert "send tensor.cpu() instead" in done.stderr
