# SPDX-License-Identifier: Apache-2.0
"""The command ``trireme``."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

import trireme
from trireme import cuda_shim

EQUAL, DIFFERENT, UNREADABLE = 0, 1, 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(trireme.__version__, prog_name="trireme")
def main() -> None:
    """One PyTorch device, rowed by many unlike accelerators."""


def _is_program(path: Path) -> bool:
    """True for an executable that is no Python script by its name: a launcher, a shell script."""
    return path.is_file() and path.suffix not in (".py", ".pyz") and os.access(path, os.X_OK)


def _command(words: Sequence[str], module: bool) -> list[str]:
    """What to execute: a script, a module, or a program that starts Python (torchrun, say)."""
    if module:
        return [sys.executable, "-m", *words]
    path = Path(words[0])
    if _is_program(path):
        return [str(path.absolute()), *words[1:]]
    if not path.exists() and (program := shutil.which(words[0])):
        return [program, *words[1:]]
    return [sys.executable, *words]


@main.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.option("-m", "module", is_flag=True, help="PROGRAM is a module, as in `python -m`.")
@click.argument("program", nargs=-1, required=True, type=click.UNPROCESSED)
def run(program: tuple[str, ...], module: bool) -> NoReturn:
    """Run a program written for CUDA on the device, unchanged.

    PROGRAM is a script with its arguments, a module with -m, or a command that starts Python, such
    as `accelerate launch`.
    """
    try:
        environment = cuda_shim.environment(dict(os.environ))
    except FileNotFoundError as error:
        raise click.ClickException(str(error)) from None
    command = _command(program, module)
    # In place of this process: signals, exit status and standard streams are the program's own.
    try:
        os.execve(command[0], command, environment)
    except OSError as error:
        raise click.ClickException(f"cannot start {command[0]}: {error.strerror}") from None


def _status() -> dict[str, Any]:
    compiled = trireme._compiled()
    from trireme.properties import device_properties

    properties = device_properties()
    stats = compiled.memory_stats()
    return {
        "device": trireme.DEVICE,
        "name": properties["name"],
        "version": trireme.__version__,
        "cores": properties["cores"],
        "accelerators": list(properties.get("accelerators", ())),
        "memory": {
            "total": properties["total_memory"],
            "limit": compiled.memory_limit() or properties["total_memory"],
            "allocated": stats.get("allocated_bytes.all.current", 0),
            "reserved": stats.get("reserved_bytes.all.current", 0),
        },
    }


def _gib(number: int) -> str:
    return f"{number / 2**30:.2f} GiB"


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(as_json: bool) -> None:
    """Show the device, its accelerators, memory in use and version."""
    try:
        report = _status()
    except ImportError as error:
        raise click.ClickException(f"the device is not available: {error}") from None
    if as_json:
        click.echo(json.dumps(report))
        return
    memory = report["memory"]
    click.echo(f"device        {report['device']}:0  {report['name']}")
    click.echo(f"version       {report['version']}")
    click.echo(
        f"memory        {_gib(memory['allocated'])} in use, {_gib(memory['reserved'])} reserved, "
        f"{_gib(memory['limit'])} at most"
    )
    for number, accelerator in enumerate(report["accelerators"]):
        title = "accelerators  " if number == 0 else " " * 14
        click.echo(title + "  ".join(f"{key} {value}" for key, value in accelerator.items()))


def _fail(error: Exception) -> NoReturn:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    click.echo(f"trireme: {lines[0]}", err=True)
    sys.exit(UNREADABLE)


@main.command()
@click.option("--partial", is_flag=True, help="Accept a recording that was cut off.")
@click.option("--verify", is_flag=True, help="Compile the calls, too, and compare the results.")
@click.argument("file", type=click.Path(path_type=Path))
def replay(file: Path, partial: bool, verify: bool) -> None:
    """Run a recording again, without its program, and compare every value that was read.

    Exit status: 0 if all are equal bit for bit (of compiled code: within its tolerance), 1 if any
    differs, 2 if FILE cannot be read.
    """
    try:
        result = trireme.replay(file, partial=partial, verify=verify)
    except (OSError, RuntimeError, ValueError) as error:
        _fail(error)
    equal, line = describe_replay(result)
    click.echo(line)
    sys.exit(EQUAL if equal else DIFFERENT)


def describe_replay(result: dict[str, Any]) -> tuple[bool, str]:
    """Whether all values were equal, and one line that says so."""
    counts = f"{result['reads']} values read, {result['calls']} calls"
    end = "" if result["complete"] else "; the recording was cut off"
    different = result["mismatch_count"]
    if different == 0:
        return True, f"equal: {counts}{end}"
    line = f"different: {different} of {counts}{end}"
    for first in result["mismatches"][:1]:
        line += f"; first: {first['what']}, read at {first['where']}, "
        line += f"written by {first['op']} at {first['issued']}"
    return False, line + (f" ({result['note']})" if result["note"] else "")


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
def explain(file: Path) -> None:
    """Print a recording as text: op, shapes, dtypes, storages, source line."""
    try:
        click.echo(trireme._compiled().explain_file(str(file)))
    except (OSError, RuntimeError, ValueError) as error:
        _fail(error)


if __name__ == "__main__":
    main()
