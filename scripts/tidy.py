# SPDX-License-Identifier: Apache-2.0
"""Runs clang-tidy over the sources of a build folder, skipping those known to be clean.

A source that includes ATen takes 3 s or more, most of it for torch's headers. So a clean result is
kept under a hash of all that it depends on: the source, the project's headers and schemas, the
checks, the compile command, and the versions of torch and clang-tidy.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# PyPI's, not Debian's 14: it does not match in system headers, which takes half the time.
TIDY = Path(sys.executable).parent / "clang-tidy"
# Without OpenMP: clang has no omp.h of its own here and cannot read GCC's.
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


def check(source: Path, build: Path) -> tuple[bool, str]:
    """Runs clang-tidy on one source."""
    done = subprocess.run(
        [
            str(TIDY),
            "--quiet",
            "-p",
            str(build),
            *(f"--extra-arg={word}" for word in EXTRA),
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

    tool = subprocess.run(
        [str(TIDY), "--version"], capture_output=True, text=True, check=True
    ).stdout
    common = f"{tool}{version('torch')}".encode() + b"".join(path.read_bytes() for path in CHECKS)
    CACHE.mkdir(parents=True, exist_ok=True)
    for old in CACHE.iterdir():
        if time.time() - old.stat().st_mtime > KEEP_DAYS * 86400:
            old.unlink(missing_ok=True)

    todo: dict[Path, Path] = {}
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

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        running = {pool.submit(check, source, build): source for source in todo}
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
