# SPDX-License-Identifier: Apache-2.0
"""Runs the device-generic tests of one of PyTorch's test files in this process.

Each test's start and outcome is a line of JSON in --results, written at once: when a test takes the
process down, its start is the last line, and another process goes on behind it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import sys
import traceback
import unittest
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO

# PyTorch renames its test base for private devices while a file is imported: both names occur.
NAMES = {"cpu": ("cpu",), "privateuse1": ("privateuse1", "trireme")}
DEVICES = [name for names in NAMES.values() for name in names]
_SUFFIX = re.compile(rf"(?<=_)({'|'.join(DEVICES)})(?=_|$)")
_CLASS_SUFFIX = re.compile(rf"({'|'.join(name.upper() for name in DEVICES)})$")


def common_name(class_name: str, method: str) -> str:
    """The name that a test has on every device."""
    return f"{_CLASS_SUFFIX.sub('', class_name)}.{_SUFFIX.sub('DEVICE', method)}"


def first_line(error: BaseException | None) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else ''}"[:400]


def place(trace: Any) -> str:
    """The last line of the test file in the traceback: where the test was."""
    frames = [
        frame
        for frame in traceback.extract_tb(trace)
        if Path(frame.filename).name.startswith("test_")
    ]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""


class Recorder(unittest.TestResult):
    def __init__(self, output: TextIO, synchronize: Any) -> None:
        super().__init__()
        self._output = output
        self._synchronize = synchronize
        self._outcome: dict[str, str] = {}

    def _write(self, **line: str) -> None:
        self._output.write(json.dumps(line) + "\n")
        self._output.flush()

    def startTest(self, test: unittest.TestCase) -> None:  # noqa: N802 (unittest's name)
        super().startTest(test)
        self._outcome = {}
        self._write(test=name_of(test), outcome="started")

    def stopTest(self, test: unittest.TestCase) -> None:  # noqa: N802
        super().stopTest(test)
        try:
            self._synchronize()
        except Exception as error:  # the device ran behind the test
            if self._outcome.get("outcome") == "passed":
                self._outcome = {"outcome": "failed", "error": f"after it: {first_line(error)}"}
        self._write(test=name_of(test), **(self._outcome or {"outcome": "passed"}))

    def _fail(self, error: Any) -> None:
        self._outcome = {
            "outcome": "failed",
            "error": first_line(error[1]),
            "place": place(error[2]),
        }

    def addError(self, test: Any, err: Any) -> None:  # noqa: N802
        super().addError(test, err)
        if not isinstance(test, unittest.TestCase):  # a class's or module's set-up
            self._write(test=str(test), outcome="failed", error=first_line(err[1]))
        self._fail(err)

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802
        super().addFailure(test, err)
        self._fail(err)

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:  # noqa: N802
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._fail(err)

    def addSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802
        self._outcome = self._outcome or {"outcome": "passed"}

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:  # noqa: N802
        super().addSkip(test, reason)
        self._outcome = {"outcome": "skipped", "error": reason[:200]}
        if not hasattr(test, "_testMethodName"):
            return

    def addExpectedFailure(self, test: unittest.TestCase, err: Any) -> None:  # noqa: N802
        self._outcome = {"outcome": "skipped", "error": "expected failure"}

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802
        self._outcome = {"outcome": "passed"}


def name_of(test: unittest.TestCase) -> str:
    return common_name(type(test).__name__, test._testMethodName)


def device_tests(module: ModuleType, device: str) -> Iterator[unittest.TestCase]:
    """The tests that instantiate_device_type_tests made for this device."""
    loader = unittest.TestLoader()
    suffixes = tuple(name.upper() for name in NAMES[device])
    for name, kind in sorted(vars(module).items()):
        is_case = isinstance(kind, type) and issubclass(kind, unittest.TestCase)
        if is_case and name.endswith(suffixes):
            for method in loader.getTestCaseNames(kind):
                yield kind(method)


def done_in(results: Path) -> set[str]:
    if not results.exists():
        return set()
    return {json.loads(line)["test"] for line in results.read_text().splitlines()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="PyTorch's test file")
    parser.add_argument("--device", required=True, choices=NAMES)
    parser.add_argument("--results", required=True, type=Path)
    parser.add_argument("--every", type=int, default=1, help="a fixed sample: one test in N")
    parser.add_argument("--match", default="", help="only tests whose name matches")
    options = parser.parse_args()

    os.environ["PYTORCH_TESTING_DEVICE_ONLY_FOR"] = ",".join(NAMES[options.device])
    folder = options.file.resolve().parent
    sys.path[:0] = [str(folder), str(folder.parent)]
    sys.argv = [str(options.file)]  # PyTorch's test modules parse it
    import torch

    torch.set_num_threads(1)
    module = importlib.import_module(options.file.stem)
    case = torch.testing._internal.common_utils.TestCase
    case._default_dtype_check_enabled = True

    done = done_in(options.results)
    tests = [
        test
        for test in device_tests(module, options.device)
        if name_of(test) not in done
        and zlib.crc32(name_of(test).encode()) % options.every == 0
        and re.search(options.match, name_of(test))
    ]
    on_device = options.device != "cpu"
    synchronize = torch.accelerator.synchronize if on_device else lambda: None
    with options.results.open("a") as output:
        unittest.TestSuite(tests).run(Recorder(output, synchronize))
    output.close()
    os._exit(0)  # a test may have left threads or work behind


if __name__ == "__main__":
    main()
