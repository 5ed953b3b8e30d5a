# SPDX-License-Identifier: Apache-2.0
"""Sources keep to the design: rooms include one way, files stay small, each names its licence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src" / "trireme"

# A room may include itself and the rooms before it.
ORDER = ("base", "record", "graph", "compile", "run", "device", "python")
# Rooms that include nothing of torch.
TORCHLESS = ("base", "graph", "compile")
# Libraries of their own, that no room may include and that include no room.
ALONE = ("cuda_alias",)

INCLUDE = re.compile(r'^\s*#\s*include\s+["<](trireme/[^">]+)[">]', re.MULTILINE)
QUOTED = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
TORCH = re.compile(r"^\s*#\s*include\s+[\"<](?:ATen|c10|torch|caffe2)/", re.MULTILINE)

PYTHON_LINES = 400
CPP_LINES = 700

CPP_SUFFIXES = {".h", ".cpp", ".fbs"}
CODE_SUFFIXES = CPP_SUFFIXES | {".py", ".pyi", ".sh", ".cmake"}
CODE_FOLDERS = ("src", "python", "tests", "benchmarks", "examples", "scripts", "cmake", ".ci")


def code_files(*folders: str, suffixes: set[str]) -> list[Path]:
    found = (path for folder in folders for path in (ROOT / folder).rglob("*"))
    return sorted(
        p for p in found if p.suffix in suffixes and p.is_file() and "build" not in p.parts
    )


def violations(room: str, name: str, text: str) -> list[str]:
    """What of the includes in a source of `room` is against the order."""
    wrong = []
    for include in INCLUDE.findall(text):
        target = include.split("/")[1]
        if target not in ORDER:
            wrong.append(f"{name}: includes {include}, which is in no room")
        elif room in ALONE or ORDER.index(target) > ORDER.index(room):
            wrong.append(f"{name}: {room} may not include {include}")
    for include in QUOTED.findall(text):
        if not include.startswith("trireme/") and not include.endswith("_generated.h"):
            wrong.append(f'{name}: write "trireme/<room>/..." for {include}')
    if room in TORCHLESS and TORCH.search(text):
        wrong.append(f"{name}: {room} stays free of torch")
    return wrong


def test_every_folder_is_a_room() -> None:
    folders = {path.name for path in SRC.iterdir() if path.is_dir()}
    assert folders == {*ORDER, *ALONE}


@pytest.mark.parametrize("room", [*ORDER, *ALONE])
def test_includes_follow_the_order(room: str) -> None:
    wrong = []
    for path in code_files(f"src/trireme/{room}", suffixes=CPP_SUFFIXES - {".fbs"}):
        wrong += violations(room, str(path.relative_to(ROOT)), path.read_text())
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("room", ORDER)
def test_cpp_tests_use_only_what_their_room_may(room: str) -> None:
    wrong = []
    for path in code_files(f"tests/cpp/{room}", suffixes=CPP_SUFFIXES):
        for include in INCLUDE.findall(path.read_text()):
            target = include.split("/")[1]
            if target in ORDER and ORDER.index(target) > ORDER.index(room):
                wrong.append(f"{path.relative_to(ROOT)}: a test of {room} includes {include}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("room", "text", "count"),
    [
        ("run", '#include "trireme/record/call.h"', 0),
        ("run", '#include "trireme/run/executor.h"', 0),
        ("record", '#include "trireme/run/executor.h"', 1),
        ("record", '  #  include "trireme/device/guard.h"', 1),
        ("record", "#include <trireme/device/guard.h>", 1),
        ("device", '#include "trireme/nowhere/node.h"', 1),
        ("device", '#include "guard.h"', 1),
        ("base", "#include <c10/util/Exception.h>", 1),
        ("cuda_alias", '#include "trireme/base/env.h"', 1),
        ("cuda_alias", "#include <c10/core/Device.h>", 0),
    ],
)
def test_the_rule_itself(room: str, text: str, count: int) -> None:
    assert len(violations(room, "x.cpp", text)) == count


def test_files_stay_small() -> None:
    wrong = []
    for limit, folder, suffixes in (
        (PYTHON_LINES, "python/trireme", {".py", ".pyi"}),
        (CPP_LINES, "src", CPP_SUFFIXES),
    ):
        for path in code_files(folder, suffixes=suffixes):
            lines = len(path.read_text().splitlines())
            if lines > limit:
                wrong.append(f"{path.relative_to(ROOT)}: {lines} lines, more than {limit}")
    assert not wrong, "\n".join(wrong)


def test_every_source_names_its_licence() -> None:
    files = code_files(*CODE_FOLDERS, suffixes=CODE_SUFFIXES)
    files += sorted(ROOT.glob("src/**/CMakeLists.txt")) + sorted(
        ROOT.glob("tests/**/CMakeLists.txt")
    )
    files += [ROOT / name for name in ("CMakeLists.txt", "Makefile", "pyproject.toml", ".ci/run")]
    wrong = []
    for path in files:
        head = path.read_text().splitlines()[:2]
        if path.read_text() and not any("SPDX-License-Identifier: Apache-2.0" in s for s in head):
            wrong.append(str(path.relative_to(ROOT)))
    assert not wrong, "no SPDX-License-Identifier in the first two lines of:\n" + "\n".join(wrong)
