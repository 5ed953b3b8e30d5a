# SPDX-License-Identifier: Apache-2.0
"""Runs PyTorch's own device-generic tests on the CPU and on the device, and compares.

PyTorch's test files are not part of this repository nor of its wheel: give the `test` folder of a
PyTorch source tree of the installed version, by --suite-dir or TRIREME_PYTORCH_TESTS.
The share is of the tests that pass on the CPU and that PyTorch does not itself skip on the device.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[3]
SHARD = Path(__file__).resolve().parent / "shard.py"
FOLDER_VARIABLE = "TRIREME_PYTORCH_TESTS"
IMPORT_SECONDS = 180  # a test file makes its tests when it is imported
MAX_RESTARTS = 300
FILES = [
    *("test_view_ops", "test_indexing", "test_type_promotion", "test_shape_ops"),
    *("test_scatter_gather_ops", "test_sort_and_select", "test_torch", "test_nn"),
    *("test_tensor_creation_ops", "test_autograd", "nn/test_convolution", "nn/test_dropout"),
    *("nn/test_embedding", "nn/test_pooling", "nn/test_multihead_attention", "nn/test_init"),
    *("nn/test_packed_sequence", "nn/test_module_hooks", "nn/test_load_state_dict"),
    *("test_segment_reductions", "test_complex", "test_dlpack", "test_numpy_interop"),
    *("test_serialization", "test_native_functions", "test_masked", "test_spectral_ops"),
    *("test_transformers", "test_reductions", "test_linalg", "test_binary_ufuncs"),
    *("test_unary_ufuncs", "test_foreach", "test_optim", "test_modules"),
]

# Tests that pass on the CPU and cannot on any device but those that PyTorch itself names.
EXCLUDED = {
    r"\.test_broadcast_fn_map2?_": "map_ and map2_ are for CPU tensors only, says PyTorch",
    r"\.test_conv_backend_": "asks for PyTorch's own choice of kernel, made by device type",
    r"\.test_upsamplingBiMode2d_nonsupported_dtypes_": "expects a refusal of what the CPU can do",
    r"\.test_grad_scaling_state_dict_": "compares type names, for the CPU or cuda",
    r"\.test_grad_scaler_deprecated_": "expects the CPU's name of all but cuda",
    r"\.test_tensor_storage_type_": "expects the CPU's storage class of all but cuda",
    r"\.test_(lazy_clone|parallel_cow)_": "asks whether storages share memory copy-on-write: the device copies",
    r"\.test_fft_half_and_bfloat16_errors": "expects a refusal of what GPU programs may call",
    r"(_from_dlpack_|TestTorchDlPack)": "PyTorch gives DLPack's addresses of the devices it names",
    r"\.test_stable_sort_against_numpy_": "mixes devices unless the device is called cuda",
}

Results = dict[str, dict[str, str]]


def read_results(file: Path) -> Results:
    """The last word on each test: one that started and never ended crashed, unless told else."""
    results: Results = {}
    if file.exists():
        for line in file.read_text().splitlines():
            entry = json.loads(line)
            results[entry["test"]] = entry
    return results


def forget_failures(file: Path) -> None:
    entries = read_results(file).values()
    kept = [entry for entry in entries if entry["outcome"] in ("passed", "skipped")]
    if file.exists():
        file.write_text("".join(json.dumps(entry) + "\n" for entry in kept))


@dataclass
class Options:
    python: str
    suite: Path
    output: Path
    timeout: float
    every: int
    match: str


def environment(device: str) -> dict[str, str]:
    """Eager's process does not load the device."""
    added = {
        "TORCH_DEVICE_BACKEND_AUTOLOAD": "0" if device == "cpu" else "1",
        "OMP_NUM_THREADS": "1",
    }
    return {**os.environ, **added}


def watch(process: subprocess.Popen[bytes], results: Path, timeout: float) -> bool:
    """Waits for the process while it reports; False when it had to be stopped."""
    size, moved = -1, time.monotonic()
    while process.poll() is None:
        time.sleep(0.2)
        new_size = results.stat().st_size if results.exists() else 0
        if new_size != size:
            if size >= 0:
                moved = time.monotonic()
            size = new_size
        started = size > 0
        if time.monotonic() - moved > (timeout if started else IMPORT_SECONDS):
            process.kill()
            process.wait()
            return False
    return True


def run_file(name: str, device: str, options: Options) -> tuple[Results, bool]:
    """All tests of a file, through as many processes as crashes make necessary.

    And whether the last of them came to its end.
    """
    results = options.output / f"{name.replace('/', '.')}.{device}.jsonl"
    log = results.with_suffix(".log")
    command = [
        *(options.python, str(SHARD), str(options.suite / f"{name}.py"), "--device", device),
        *("--results", str(results), "--every", str(options.every), "--match", options.match),
    ]
    ended = False
    for _ in range(MAX_RESTARTS):
        before = len(read_results(results))
        with log.open("ab") as errors:
            process = subprocess.Popen(
                command,
                cwd=options.suite,
                env=environment(device),
                stdout=errors,
                stderr=errors,
                stdin=subprocess.DEVNULL,
            )
            in_time = watch(process, results, options.timeout)
        found = read_results(results)
        ended = in_time and process.returncode == 0
        if ended:
            break
        cause = f"signal {-process.returncode}" if in_time else f"over {options.timeout:.0f} s"
        unfinished = [test for test, entry in found.items() if entry["outcome"] == "started"]
        with results.open("a") as output:
            for test in unfinished:
                entry = {"test": test, "outcome": "failed", "error": f"process ended: {cause}"}
                output.write(json.dumps(entry) + "\n")
        if len(found) == before:  # no progress: the file does not even import
            break
    return read_results(results), ended


@dataclass
class Score:
    name: str
    on_cpu: int
    skipped: int
    passed: int
    failures: list[dict[str, str]]

    @property
    def counted(self) -> int:
        return self.on_cpu - self.skipped

    def __str__(self) -> str:
        share = 100 * self.passed / self.counted if self.counted else 100.0
        return (
            f"{self.name}: {self.on_cpu} pass on the CPU, {self.skipped} of them skipped on the"
            f" device, {self.passed}/{self.counted} = {share:.2f}%"
        )


def compare(name: str, cpu: Results, device: Results, *, ended: bool = True) -> Score:
    excluded = re.compile("|".join(EXCLUDED))
    good = [
        test
        for test, entry in cpu.items()
        if entry["outcome"] == "passed" and not excluded.search(test)
    ]
    absent = {"outcome": "skipped", "error": "not made for this device"}
    if not ended:
        absent = {"outcome": "failed", "error": "the file did not run on the device: see its .log"}
    found = {test: device.get(test, absent) for test in good}
    outcomes = Counter(entry["outcome"] for entry in found.values())
    failures = [{**entry, "test": test} for test, entry in found.items()]
    failures = [entry for entry in failures if entry["outcome"] not in ("passed", "skipped")]
    return Score(name, len(good), outcomes["skipped"], outcomes["passed"], failures)


def root_cause(entry: dict[str, str]) -> str:
    """The error without what differs from test to test."""
    error = entry.get("error", entry["outcome"])
    return re.sub(r"0x[0-9a-f]+|\d+(\.\d+)?(e[+-]?\d+)?", "N", error)[:160]


def report_groups(failures: Iterable[dict[str, str]]) -> str:
    groups: dict[str, list[str]] = {}
    for entry in failures:
        groups.setdefault(root_cause(entry), []).append(f"{entry['test']} ({entry.get('place')})")
    lines = []
    for cause, tests in sorted(groups.items(), key=lambda group: -len(group[1])):
        lines.append(f"- **{len(tests)}** {cause}")
        lines += [f"    - {test}" for test in tests[:4]]
    return "\n".join(lines)


@click.command(help=__doc__)
@click.option(
    "--suite-dir",
    envvar=FOLDER_VARIABLE,
    type=click.Path(path_type=Path, file_okay=False),
    help=f"PyTorch's test folder, or {FOLDER_VARIABLE}",
)
@click.option("--file", "names", multiple=True, help="only these, such as test_torch")
@click.option("--output", type=click.Path(path_type=Path), default=ROOT / "build" / "suites")
@click.option("--timeout", default=90.0, show_default=True, help="seconds a test")
@click.option("--every", default=1, show_default=True, help="a fixed sample: one test in N")
@click.option("--match", default="", help="only tests whose name matches this expression")
@click.option("--jobs", default=2, show_default=True)
@click.option("--keep", is_flag=True, help="keep the device's earlier results, go on behind them")
@click.option("--failed", is_flag=True, help="run only what failed on the device the last time")
def main(
    suite_dir: Path | None,
    names: tuple[str, ...],
    output: Path,
    timeout: float,
    every: int,
    match: str,
    jobs: int,
    keep: bool,
    failed: bool,
) -> None:
    if suite_dir is None:
        click.echo(
            f"skipped: PyTorch's test files are not part of this repository; set {FOLDER_VARIABLE}"
            " or --suite-dir to the `test` folder of a PyTorch source tree"
        )
        return
    options = Options(sys.executable, suite_dir.resolve(), output, timeout, every, match)
    output.mkdir(parents=True, exist_ok=True)
    present = [name for name in names or FILES if (suite_dir / f"{name}.py").exists()]

    def run(name: str) -> Score:
        earlier = output / f"{name.replace('/', '.')}.privateuse1.jsonl"
        if failed:
            forget_failures(earlier)
        elif not keep:
            earlier.unlink(missing_ok=True)
        # What the CPU did is kept: it depends on PyTorch alone.
        cpu, _ = run_file(name, "cpu", options)
        device, ended = run_file(name, "privateuse1", options)
        score = compare(name, cpu, device, ended=ended)
        failures = output / f"{name.replace('/', '.')}.json"
        failures.write_text(json.dumps(score.failures, indent=1) + "\n")
        click.echo(str(score))
        return score

    with ThreadPoolExecutor(jobs) as pool:
        scores = list(pool.map(run, present))
    total = Score("all", 0, 0, 0, [])
    for score in scores:
        total.on_cpu += score.on_cpu
        total.skipped += score.skipped
        total.passed += score.passed
        total.failures += [{**entry, "file": score.name} for entry in score.failures]
    click.echo(f"\n{total}\n\n{report_groups(total.failures)}")
    if total.failures:
        sys.exit(1)


if __name__ == "__main__":
    main()
