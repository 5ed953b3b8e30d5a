# SPDX-License-Identifier: Apache-2.0
"""A forked child that touches the device gets CUDA's error, at each way in; none hangs."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import TARGET

pytestmark = pytest.mark.skipif(TARGET == "cpu", reason="the CPU may be used in a forked child")

PROGRAM = """
import faulthandler, os, torch
x = torch.ones(300, 300, device="trireme")
loss = (torch.ones(3, device="trireme", requires_grad=True) * 2).sum()
sparse, storage = torch.ones(2, device="trireme").to_sparse(), x.untyped_storage()
event = torch.Event(device="trireme")
for _ in range(300):
    x = (x @ x).clamp(-1, 1)
event.record()
ENTRIES = {
    "record": lambda: x + 1,
    "in place": lambda: x.add_(1),
    "read": x.cpu,
    "item": lambda: x[0, 0].item(),
    "print": lambda: repr(x),
    "synchronize": torch.accelerator.synchronize,
    "module": torch.trireme.synchronize,
    "stream": lambda: torch.trireme.current_stream().synchronize(),
    "stream query": lambda: torch.trireme.current_stream().query(),
    "event": event.synchronize,
    "event query": event.query,
    "event record": event.record,
    "copy in": lambda: x.copy_(torch.ones(300, 300)),
    "to": lambda: torch.ones(2).to("trireme"),
    "empty": lambda: torch.empty(3, device="trireme"),
    "random": lambda: torch.rand(3, device="trireme"),
    "backward": loss.backward,
    "sparse": lambda: sparse + sparse,
    "storage": lambda: storage[0],
    "resize": lambda: x.resize_(1000, 1000),
    "save": lambda: torch.save(x, os.devnull),
}
child = os.fork()
if child == 0:
    faulthandler.dump_traceback_later(60, exit=True)
    for name, enter in ENTRIES.items():
        try:
            enter()
            print(name, "worked", flush=True)
        except RuntimeError as error:
            if "forked subprocess" not in str(error) or "'spawn'" not in str(error):
                print(name, error, flush=True)
    print("all tried", flush=True)
    os._exit(0)
_, status = os.waitpid(child, 0)
print("child", os.waitstatus_to_exitcode(status), "parent", x.sum().item())
"""


def test_every_way_into_the_device_is_an_error_in_a_child() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["all tried", "child 0 parent 90000.0"], done.stdout
