# SPDX-License-Identifier: Apache-2.0
"""Runs clang-tidy over the sources of a build folder, skipping those known to be clean.

A source that includes ATen takes 10 s or more, most of it for torch's headers, in spite of a
precompiled header (clang's own). So a clean result is kept under a hash of all that it depends on:
the source, the project's headers and schemas, the checks, the compile command, and the versions of
torch and clang-tidy.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TIDY = "clang-tidy-14"
CLANG = "clang++-14"
# Without OpenMP: clang has no omp.h of its own here and cannot read GCC's.
HEAVY = re.compile(r"#include <(ATen/ATen|torch/(library|torch|all|extension))\.h>")
SHARING = {"record", "run", "device"}
EXTRA = ["-fno-openmp", "-Wno-error", "-Wno-unknown-pragmas"]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "trireme" / "tidy"
CHECKS = [ROOT / ".clang-tidy", ROOT / "tests" / "cpp" / ".clang-tidy"]
KEEP_DAYS = 30
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def included(source: Path, found: set[Path]) -> set[Path]:
    """The project's files that `source` includes, directly or not."""
    for name in INCLUDE.findall(source.read_text()):
        if name.endswith("_generated.h"):
            candidates = list(ROOT.glob(f"src/**/{name.removesuffix('_generated.h')}.fbs"))
        else:
            candidates = [source.parent / name, ROOT / "src" / name, ROOT / name]
        for path in candidates:
            if path.is_file() and path.resolve() not in found:
                found.add(path.resolve())
                included(path, found)
    return found


def key_of(source: Path, command: str, common: bytes) -> str:
    """A hash of everything that the result for `source` depends on."""
    digest = hashlib.sha256(common)
    digest.update(command.replace(str(ROOT), "").encode())
    for path in [source, *sorted(included(source, set()))]:
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def heavy(source: Path) -> bool:
    """Whether the source, in one of the rooms that include torch, includes all of ATen."""
    if not SHARING.intersection(source.relative_to(ROOT).parts):
        return False
    return any(HEAVY.search(path.read_text()) for path in [source, *included(source, set())])


def precompile(command: str, common: bytes, build: Path) -> Path | None:
    """Clang's precompiled form of the rooms' common header, for sources compiled with `command`."""
    header = ROOT / "cmake" / "pch.h"
    words = shlex.split(command)
    flags = [word for word in words[1 : words.index("-o")] if not word.startswith("-D_C_")]
    key = hashlib.sha256(common + header.read_bytes() + " ".join(flags).encode()).hexdigest()[:16]
    out = build / f"tidy-{key}.pch"
    if not out.exists():
        for old in build.glob("tidy-*.pch"):
            old.unlink()
        made = [CLANG, *flags, *EXTRA, "-w", "-x", "c++-header", str(header), "-o", f"{out}.new"]
        if subprocess.run(made, capture_output=True, check=False, cwd=build).returncode != 0:
            return None
        Path(f"{out}.new").rename(out)
    return out


def check(source: Path, build: Path, pch: Path | None) -> tuple[bool, str]:
    """Runs clang-tidy on one source."""
    extra = [*EXTRA, "-include-pch", str(pch)] if pch else EXTRA
    done = subprocess.run(
        [
            TIDY,
            "--quiet",
            "-p",
            str(build),
            *(f"--extra-arg={word}" for word in extra),
            str(source),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode == 0, done.stdout.strip() or done.stderr.strip()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=Path, help="a configured build folder without GCC's headers")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", default="", help="only sources whose path contains this")
    arguments = parser.parse_args()
    build = arguments.build.resolve()

    tool = subprocess.run([TIDY, "--version"], capture_output=True, text=True, check=True).stdout
    common = f"{tool}{version('torch')}".encode() + b"".join(path.read_bytes() for path in CHECKS)
    CACHE.mkdir(parents=True, exist_ok=True)
    for old in CACHE.iterdir():
        if time.time() - old.stat().st_mtime > KEEP_DAYS * 86400:
            old.unlink(missing_ok=True)

    todo: dict[Path, Path] = {}
    commands: dict[Path, str] = {}
    total = 0
    for entry in json.loads((build / "compile_commands.json").read_text()):
        source = Path(entry["file"]).resolve()
        if not source.is_relative_to(ROOT) or source.is_relative_to(ROOT / "build"):
            continue
        if arguments.only not in str(source.relative_to(ROOT)):
            continue
        total += 1
        stamp = CACHE / key_of(source, entry["command"], common)
        if stamp.exists():
            stamp.touch()
        else:
            todo[source] = stamp
            commands[source] = entry["command"]

    # The module has flags of its own, and light sources are faster without: only the others share.
    sharing = [source for source in todo if heavy(source)]
    pch = precompile(commands[sharing[0]], common, build) if len(sharing) > 1 else None

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        running = {
            pool.submit(check, source, build, pch if source in sharing else None): source
            for source in todo
        }
        for future in concurrent.futures.as_completed(running):
            clean, output = future.result()
            source = running[future]
            if clean:
                todo[source].touch()
            else:
                failed += 1
                print(f"clang-tidy: {source.relative_to(ROOT)}\n{output}\n", flush=True)
    print(f"clang-tidy: {total} sources, {len(todo)} checked, {failed} with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
