# SPDX-License-Identifier: Apache-2.0
"""The command `trireme`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from subprogram import check_program, run_program
from trireme.cli import describe_replay, main

import trireme


def command(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "trireme.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        **options,  # type: ignore[call-overload]
    )


def test_version_and_help() -> None:
    assert trireme.__version__ in CliRunner().invoke(main, ["--version"]).output
    text = CliRunner().invoke(main, ["-h"]).output
    for name in ("run", "status", "replay", "explain"):
        assert name in text


def test_run_passes_everything_on(tmp_path: Path) -> None:
    out = check_program(
        "import sys; print(sys.argv[1:], __name__)",
        tmp_path,
        "-x",
        "--device",
        "cuda",
        "-m",
        "--",
        "a b",
        cuda=True,
    )
    assert out.strip() == "['-x', '--device', 'cuda', '-m', '--', 'a b'] __main__"


def test_run_module(tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text(
        "import sys, torch\nprint(__name__, sys.argv[1:], torch.cuda.is_available())"
    )
    done = command("run", "-m", "hello", "--x", cwd=tmp_path)
    assert done.stdout.strip() == "__main__ ['--x'] True", done.stderr


def test_run_a_command_that_starts_python(tmp_path: Path) -> None:
    script = tmp_path / "child.py"
    script.write_text("import torch; print(torch.ones(2, device='cuda').sum().item())")
    done = command("run", "env", sys.executable, str(script))
    assert done.stdout.strip() == "2.0", done.stderr


def test_run_an_executable_file(tmp_path: Path) -> None:
    script = tmp_path / "start"
    script.write_text(f"#!/bin/sh\nexec {sys.executable} -c 'import torch; print(torch.device(0))'")
    script.chmod(0o755)
    done = command("run", "./start", cwd=tmp_path)
    assert done.stdout.strip() == "cuda:0", done.stderr


def test_run_hands_on_status_and_streams(tmp_path: Path) -> None:
    done = run_program("import sys; sys.stderr.write('oh'); sys.exit(5)", tmp_path, cuda=True)
    assert (done.returncode, done.stderr) == (5, "oh")


def test_run_keeps_another_sitecustomize(tmp_path: Path) -> None:
    hidden = tmp_path / "site"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text("import os; os.environ['HIDDEN'] = 'seen'")
    out = check_program(
        "import os, sys; print(os.environ['HIDDEN'], any('launch' in p for p in sys.path))",
        tmp_path,
        cuda=True,
        environment={"PYTHONPATH": str(hidden)},
    )
    assert out.strip() == "seen False"


def test_run_without_program() -> None:
    done = command("run")
    assert done.returncode == 2
    assert "Missing argument" in done.stderr


def test_run_missing_script(tmp_path: Path) -> None:
    done = command("run", str(tmp_path / "nothing.py"))
    assert done.returncode == 2
    assert "can't open file" in done.stderr


def test_run_does_not_import_torch_itself() -> None:
    program = "import sys, trireme.cli; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_status() -> None:
    done = command("status")
    assert done.returncode == 0, done.stderr
    for word in ("trireme:0", trireme.__version__, "GiB", "accelerators", "cpu"):
        assert word in done.stdout


def test_status_as_json() -> None:
    report = json.loads(command("status", "--json").stdout)
    assert report["device"] == "trireme"
    assert report["version"] == trireme.__version__
    assert report["accelerators"]
    assert report["memory"].keys() == {"total", "limit", "allocated", "reserved"}
    assert report["memory"]["total"] > 2**20


RECORDED = """
import torch
torch.manual_seed(0)
x = torch.randn(4, 4, device="trireme", requires_grad=True)
for _ in range(3):
    loss = (x @ x).square().mean()
    loss.backward()
    print(loss.item())
"""


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "run.trireme"
    check_program(RECORDED, tmp_path, environment={"TRIREME_RECORD": str(path)})
    assert path.exists()
    return path


def test_replay(recording: Path) -> None:
    done = command("replay", str(recording))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("equal: 3 values")
    assert len(done.stdout.splitlines()) == 1


def test_replay_of_what_cannot_be_read(recording: Path, tmp_path: Path) -> None:
    whole = recording.read_bytes()
    damaged = tmp_path / "damaged"
    cases = {
        "missing": None,
        "empty": b"",
        "foreign": b"not a recording" * 100,
        "cut": whole[: len(whole) // 2],
    }
    for content in cases.values():
        damaged.unlink(missing_ok=True)
        if content is not None:
            damaged.write_bytes(content)
        done = command("replay", str(damaged))
        assert done.returncode == 2, (done.stdout, done.stderr)
        assert len(done.stderr.splitlines()) == 1
        assert done.stderr.startswith("trireme: ")


def test_replay_of_a_cut_recording_when_told_so(recording: Path) -> None:
    recording.write_bytes(recording.read_bytes()[:-1])
    assert command("replay", str(recording)).returncode == 2
    done = command("replay", "--partial", str(recording))
    assert done.returncode == 0, done.stderr
    assert "cut off" in done.stdout


def test_replay_report() -> None:
    equal = {
        "calls": 9,
        "reads": 3,
        "compared_bytes": 12,
        "mismatch_count": 0,
        "mismatches": [],
        "failed_calls": 0,
        "complete": True,
        "note": "",
    }
    assert describe_replay(equal) == (True, "equal: 3 values read, 9 calls")
    assert "cut off" in describe_replay({**equal, "complete": False})[1]
    first = {
        "read": 2,
        "call": 7,
        "op": "aten::mm",
        "issued": "train.py:7",
        "where": "train.py:9",
        "what": "1 of 4 differ",
    }
    different = {**equal, "mismatch_count": 1, "mismatches": [first], "note": "another processor"}
    assert describe_replay(different) == (
        False,
        "different: 1 of 3 values read, 9 calls; first: 1 of 4 differ, read at train.py:9, "
        "written by aten::mm at train.py:7 (another processor)",
    )


def test_explain(recording: Path) -> None:
    done = command("explain", str(recording))
    assert done.returncode == 0, done.stderr
    assert "aten::mm" in done.stdout
    assert "program.py" in done.stdout
    missing = command("explain", str(recording) + "x")
    assert missing.returncode == 2
