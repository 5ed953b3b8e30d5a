# SPDX-License-Identifier: Apache-2.0
"""Programs written for CUDA under `trireme run`. Each is a process of its own: the name of the
device is decided before torch is imported."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from subprogram import check_program, run_program


def check(source: str, folder: Path) -> str:
    return check_program("import torch\n" + source, folder, cuda=True)


def test_names(tmp_path: Path) -> None:
    check(
        """
d = torch.device("cuda")
assert isinstance(d, torch.device) and d.type == "cuda" and str(d) == "cuda"
assert repr(torch.device("cuda:0")) == "device(type='cuda', index=0)"
assert torch.device("cuda", 0) == torch.device("cuda:0") == torch.device(0)
assert torch.device("trireme:0") == torch.device("cuda:0")
assert torch.device("cpu").type == "cpu" and torch.device("meta").type == "meta"
for wrong in ("cuda:x", "cuda:-1", "cudaa", "nothing"):
    try:
        torch.device(wrong)
    except RuntimeError:
        continue
    raise AssertionError(wrong)
assert torch.accelerator.current_accelerator().type == "cuda"
""",
        tmp_path,
    )


def test_tensors(tmp_path: Path) -> None:
    check(
        """
x = torch.arange(6.0)
same = [
    x.cuda(), x.cuda(0), x.cuda("cuda:0"), x.cuda(torch.device("cuda")), x.cuda(non_blocking=True),
    x.to("cuda"), x.to("cuda:0"), x.to(0), x.to(device="cuda"), x.to(torch.ones(1, device="cuda")),
    torch.arange(6.0, device="cuda"), torch.tensor(x.tolist(), device=torch.device("cuda")),
    x.new_tensor(x.tolist(), device="cuda"), torch.as_tensor(x, device="cuda:0"),
]
for y in same:
    assert y.is_cuda and y.device.type == "cuda" and y.device.index == 0 and y.get_device() == 0
    assert torch.equal(y.cpu(), x)
y = same[0]
assert not x.is_cuda and y.cuda() is y and not y.is_cpu
assert str(y) == "tensor([0., 1., 2., 3., 4., 5.], device='cuda:0')"
assert torch.zeros_like(y).is_cuda and y.new_zeros(2).is_cuda and (y + 1).is_cuda
assert y.clone().trireme().is_trireme
try:
    x.cuda("cpu")
except RuntimeError as error:
    assert "Invalid device" in str(error)
try:
    x + y
except RuntimeError as error:
    assert "same device" in str(error)
else:
    raise AssertionError
""",
        tmp_path,
    )


def test_legacy_types(tmp_path: Path) -> None:
    check(
        """
y = torch.ones(2, 3, device="cuda")
assert y.type() == "torch.cuda.FloatTensor"
assert isinstance(y, torch.cuda.FloatTensor) and not isinstance(y, torch.cuda.LongTensor)
assert not isinstance(torch.ones(1), torch.cuda.FloatTensor)
assert torch.cuda.LongTensor([1, 2]).dtype == torch.int64
assert torch.cuda.FloatTensor(2, 3).shape == (2, 3) and torch.cuda.FloatTensor(2, 3).is_cuda
assert torch.ones(2).type("torch.cuda.HalfTensor").dtype == torch.float16
assert torch.ones(2).type(torch.cuda.HalfTensor).is_cuda
assert y.type(torch.float64).dtype == torch.float64
torch.set_default_tensor_type("torch.cuda.FloatTensor")
assert torch.zeros(2).is_cuda
torch.set_default_tensor_type("torch.FloatTensor")
assert not torch.zeros(2).is_cuda
""",
        tmp_path,
    )


def test_modules(tmp_path: Path) -> None:
    check(
        """
net = torch.nn.LSTM(3, 4).cuda()
assert all(p.is_cuda for p in net.parameters())
out, _ = net(torch.ones(2, 1, 3, device="cuda"))
assert out.is_cuda
net.cpu(); net.to("cuda"); net.to(torch.device("cuda", 0)); net.to(0)
assert next(net.parameters()).is_cuda
packed = torch.nn.utils.rnn.pack_sequence([torch.ones(3, 2), torch.ones(1, 2)]).cuda()
assert packed.is_cuda
with torch.device("cuda"):
    assert torch.nn.Linear(2, 2).weight.is_cuda
torch.set_default_device("cuda")
assert torch.nn.Linear(2, 2).weight.is_cuda and torch.get_default_device().type == "cuda"
torch.set_default_device("cpu")
model = torch.nn.DataParallel(torch.nn.Linear(2, 3).cuda())
model(torch.ones(4, 2)).sum().backward()
""",
        tmp_path,
    )


def test_torch_cuda(tmp_path: Path) -> None:
    check(
        """
c = torch.cuda
assert c.is_available() and c.device_count() == 1 and c.current_device() == 0
assert isinstance(c.get_device_name(), str) and c.get_device_name(0)
assert c.get_device_capability() >= (8, 0) and c.is_bf16_supported()
p = c.get_device_properties("cuda:0")
assert p.total_memory > 2**20 and p.multi_processor_count and p.name
assert (p.major, p.minor) >= (8, 0)
c.set_device(0); c.set_device("cuda:0"); c.init(); c.synchronize(); c.synchronize(0)
assert c.is_initialized()
with c.device(0), c.device("cuda:0"), c.device(torch.device("cuda")), c.device(None):
    x = torch.ones(1 << 18, device="cuda")
c.synchronize()
assert c.memory_allocated() >= 1 << 20 and c.max_memory_allocated(0) >= 1 << 20
assert c.memory_reserved() >= c.memory_allocated()
c.reset_peak_memory_stats(); c.reset_max_memory_allocated(); c.empty_cache(); c.ipc_collect()
free, total = c.mem_get_info()
assert 0 < free <= total
assert "allocated_bytes.all.peak" in c.memory_stats() and c.memory_summary()
from torch.cuda.memory import memory_allocated
assert memory_allocated() == c.memory_allocated()
assert c.OutOfMemoryError is torch.OutOfMemoryError
c.set_per_process_memory_fraction(0.9); c.set_per_process_memory_fraction(1.0)
assert c.get_arch_list() == [] and not c.can_device_access_peer(0, 0)
assert not c.is_current_stream_capturing()
assert torch.backends.cuda.is_built() and int(torch.version.cuda.split(".")[0]) >= 11
try:
    c.set_device(1)
except RuntimeError as error:
    assert "invalid device ordinal" in str(error)
else:
    raise AssertionError
""",
        tmp_path,
    )


def test_random(tmp_path: Path) -> None:
    check(
        """
draw = lambda: torch.rand(3, device="cuda").tolist()
torch.manual_seed(1); a = draw()
torch.cuda.manual_seed(1); assert draw() == a
torch.cuda.manual_seed_all(1); assert draw() == a
assert torch.cuda.initial_seed() == 1
state = torch.cuda.get_rng_state(); b = draw()
torch.cuda.set_rng_state(state, "cuda:0"); assert draw() == b
states = torch.cuda.get_rng_state_all(); b = draw()
torch.cuda.random.set_rng_state_all(states); assert draw() == b
with torch.random.fork_rng(devices=[0]):
    inside = draw()
assert draw() == inside
g = torch.Generator("cuda").manual_seed(1)
assert torch.rand(3, device="cuda", generator=g).tolist() == a
assert torch.cuda.default_generators[0].device.type == "cuda"
torch.cuda.seed(); torch.cuda.seed_all()
""",
        tmp_path,
    )


def test_same_values_as_the_device(tmp_path: Path) -> None:
    source = """
import torch
torch.manual_seed(4)
net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.5)).to(DEVICE)
print(net(torch.ones(2, 4, device=DEVICE)).tolist())
"""
    on_cuda = check_program("DEVICE = 'cuda'\n" + source, tmp_path, cuda=True)
    assert check_program("DEVICE = 'trireme'\n" + source, tmp_path) == on_cuda


def test_mixed_precision(tmp_path: Path) -> None:
    check(
        """
net = torch.nn.Linear(4, 4).cuda()
optimizer = torch.optim.AdamW(net.parameters(), fused=True)
x = torch.ones(2, 4, device="cuda")
for autocast, scaler in [
    (torch.autocast("cuda"), torch.amp.GradScaler("cuda")),
    (torch.autocast(device_type="cuda", dtype=torch.bfloat16), torch.amp.GradScaler()),
    (torch.cuda.amp.autocast(), torch.cuda.amp.GradScaler()),
    (torch.cuda.amp.autocast(dtype=torch.bfloat16), torch.cuda.amp.GradScaler(enabled=False)),
]:
    optimizer.zero_grad()
    with autocast:
        y = net(x)
        assert y.dtype in (torch.float16, torch.bfloat16)
        loss = torch.nn.functional.mse_loss(y, x)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    scaler.step(optimizer)
    scaler.update()
assert torch.get_autocast_gpu_dtype() == torch.float16
assert not torch.is_autocast_enabled()
with torch.autocast("cuda", dtype=torch.bfloat16):
    assert torch.is_autocast_enabled()
    assert torch.get_autocast_gpu_dtype() == torch.bfloat16
    with torch.autocast("cuda", enabled=False):
        assert not torch.is_autocast_enabled()
torch.set_autocast_enabled(True)
torch.set_autocast_gpu_dtype(torch.bfloat16)
assert net(x).dtype == torch.bfloat16
torch.set_autocast_enabled(False)
torch.set_autocast_gpu_dtype(torch.float16)
assert torch.get_autocast_dtype("cuda") == torch.float16
assert torch.autocast("cuda").fast_dtype == torch.float16
""",
        tmp_path,
    )


def test_streams_events_graphs(tmp_path: Path) -> None:
    check(
        """
s = torch.cuda.Stream()
start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
start.record()
with torch.cuda.stream(s):
    x = torch.ones(100, device="cuda")
    x.record_stream(s)
torch.cuda.current_stream().wait_stream(s)
end.record(torch.cuda.current_stream())
end.synchronize()
assert start.elapsed_time(end) >= 0
s.synchronize(); torch.cuda.default_stream().synchronize()
assert isinstance(torch.cuda.current_stream(), torch.cuda.Stream)
assert s.cuda_stream != torch.cuda.default_stream().cuda_stream
f = lambda t: t + 1
assert torch.cuda.make_graphed_callables(f, (x,)) is f
try:
    torch.cuda.CUDAGraph()
except RuntimeError as error:
    assert "not available on trireme" in str(error)
else:
    raise AssertionError
""",
        tmp_path,
    )


def test_tools(tmp_path: Path) -> None:
    check(
        """
import torch.cuda.profiler
torch.cuda.nvtx.range_push("a"); torch.cuda.nvtx.mark("b"); torch.cuda.nvtx.range_pop()
with torch.cuda.nvtx.range("c"):
    pass
torch.cuda.profiler.start(); torch.cuda.profiler.stop()
torch.cuda.check_error(torch.cuda.cudart().cudaProfilerStart())
torch.cuda.set_sync_debug_mode("warn"); assert torch.cuda.get_sync_debug_mode() == 1
torch.backends.cudnn.benchmark = True
torch.backends.cudnn.deterministic = True
torch.backends.cudnn.enabled = True
torch.backends.cudnn.allow_tf32 = True
torch.backends.cuda.matmul.allow_tf32 = True
torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
torch.set_float32_matmul_precision("high")
torch.use_deterministic_algorithms(True)
with torch.backends.cudnn.flags(enabled=False):
    torch.nn.functional.conv2d(torch.ones(1, 1, 4, 4).cuda(), torch.ones(1, 1, 2, 2).cuda())
torch.backends.cuda.enable_flash_sdp(True)
from torch.nn.attention import SDPBackend, sdpa_kernel
q = torch.ones(1, 2, 4, 8, device="cuda")
with sdpa_kernel(SDPBackend.MATH):
    torch.nn.functional.scaled_dot_product_attention(q, q, q)
from torch.profiler import ProfilerActivity, profile
with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as p:
    (torch.ones(3, 3, device="cuda") @ torch.ones(3, 3, device="cuda")).sum().item()
assert any(e.key == "aten::mm" for e in p.key_averages())
p.key_averages().table(sort_by="cuda_time_total")
with torch.autograd.profiler.profile(use_device="cuda") as p:
    torch.ones(3, device="cuda").sum().item()
""",
        tmp_path,
    )


def test_files(tmp_path: Path) -> None:
    path = str(tmp_path / "cuda.pt")
    check(
        f"""
model = torch.nn.Linear(2, 2).cuda()
torch.save(dict(x=torch.arange(3.0).cuda(), m=model.state_dict()), {path!r})
for where in (None, "cuda", "cuda:0", torch.device("cuda"), lambda s, l: s.cuda(0)):
    assert torch.load({path!r}, map_location=where)["x"].is_cuda
assert not torch.load({path!r}, map_location="cpu")["x"].is_cuda
assert not torch.load({path!r}, map_location={{"cuda:0": "cpu"}})["x"].is_cuda
model.load_state_dict(torch.load({path!r})["m"])
import copy, pickle
assert pickle.loads(pickle.dumps(torch.ones(2).cuda())).is_cuda
assert copy.deepcopy(model).weight.is_cuda
""",
        tmp_path,
    )
    # what CUDA's name is on a machine without it, and what the device reads
    assert torch.load(path, map_location="trireme")["x"].device.type == "trireme"
    assert torch.load(path, map_location="cpu")["x"].tolist() == [0, 1, 2]


def test_file_of_the_device_loads_as_cuda(tmp_path: Path) -> None:
    path = tmp_path / "trireme.pt"
    torch.save(torch.arange(3.0, device="trireme"), path)
    check(f"assert torch.load({str(path)!r}, map_location='cuda').is_cuda", tmp_path)


def test_checkpointing(tmp_path: Path) -> None:
    check(
        """
from torch.utils.checkpoint import checkpoint
net = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Dropout(0.5)).cuda()
grads = []
for reentrant in (None, True, False):
    torch.manual_seed(0)
    x = torch.ones(4, 8, device="cuda", requires_grad=True)
    y = net(x) if reentrant is None else checkpoint(net, x, use_reentrant=reentrant)
    torch.rand(2, device="cuda")
    y.sum().backward()
    grads.append(x.grad)
assert torch.equal(grads[0], grads[1]) and torch.equal(grads[0], grads[2])
""",
        tmp_path,
    )


@pytest.mark.parametrize("backend", ["eager", "aot_eager", "inductor"])
def test_compile(tmp_path: Path, backend: str) -> None:
    check(
        f"""
net = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.GELU()).cuda()
compiled = torch.compile(net, backend={backend!r})
x = torch.ones(2, 4, device="cuda", requires_grad=True)
torch.testing.assert_close(compiled(x), net(x))
compiled(x).sum().backward()
""",
        tmp_path,
    )


def test_torchscript(tmp_path: Path) -> None:
    check(
        """
@torch.jit.script
def f(n: int):
    x = torch.zeros(n, device="cuda")
    return x.to(torch.device("cuda:0")) + 1
assert f(3).device.type == "cuda"
""",
        tmp_path,
    )


def test_custom_op_for_cuda(tmp_path: Path) -> None:
    check(
        """
@torch.library.custom_op("shim::twice", mutates_args=(), device_types="cuda")
def twice(x: torch.Tensor) -> torch.Tensor:
    assert x.is_cuda
    return x * 2
assert twice(torch.ones(2, device="cuda")).tolist() == [2, 2]
""",
        tmp_path,
    )


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_data_loader(tmp_path: Path, method: str) -> None:
    out = check(
        f"""
from torch.utils.data import DataLoader, TensorDataset
if __name__ == "__main__":
    torch.ones(1, device="cuda").item()
    data = TensorDataset(torch.arange(8.0))
    loader = DataLoader(data, 4, num_workers=2, pin_memory=True,
                        multiprocessing_context="{method}")
    print(sum(x.cuda(non_blocking=True).sum().item() for (x,) in loader))
""",
        tmp_path,
    )
    assert out.strip() == "28.0"


def test_spawned_children_have_cuda_too(tmp_path: Path) -> None:
    out = check(
        """
import torch.multiprocessing as mp

def work(i):
    print(torch.ones(2, device=f"cuda:{i}").is_cuda)

if __name__ == "__main__":
    mp.spawn(work, nprocs=1)
""",
        tmp_path,
    )
    assert out.strip() == "True"


def test_forked_child(tmp_path: Path) -> None:
    done = run_program(
        """
        import os, torch
        torch.ones(1, device="cuda").item()
        pid = os.fork()
        if pid == 0:
            torch.ones(1, device="cuda")
        os.waitpid(pid, 0)
        """,
        tmp_path,
        cuda=True,
    )
    assert "you must use the 'spawn' start method" in done.stderr


def test_without_the_launcher_cuda_is_not_the_device(tmp_path: Path) -> None:
    assert not torch.cuda.is_available()
    assert torch.device("cuda") != torch.device("trireme")
    with pytest.raises(AssertionError, match="not compiled with CUDA"):
        torch.ones(1, device="cuda")


def test_library_loaded_too_late_is_noticed(tmp_path: Path) -> None:
    done = run_program("import torch", tmp_path, environment={"TRIREME_CUDA_ALIAS": "/nowhere.so"})
    assert "Start the program with `trireme run`" in done.stderr
