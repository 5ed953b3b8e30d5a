# SPDX-License-Identifier: Apache-2.0
"""Loads the shared libraries that the compiled module needs from where pip has put them.

A RUNPATH would not do: the wheels' libraries go under the prefix, whose place seen from the module
differs between an editable and a plain install. Once loaded, a library is found by its SONAME.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import sys
from collections.abc import Iterator

ONEDNN = "libdnnl.so.3"
ONEDNN_PACKAGE = "onednn-cpu-gomp"


def _places() -> Iterator[str]:
    yield os.path.join(sys.prefix, "lib", ONEDNN)  # a venv's, and most others'
    try:
        files = importlib.metadata.files(ONEDNN_PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        return
    # user installs, `--target` folders, venvs that see the system's packages
    for file in files:
        if file.name == ONEDNN:
            yield os.path.normpath(str(file.locate()))


def load() -> None:
    """Loads oneDNN. To be called when torch is loaded: both then share torch's OpenMP runtime.

    Where it is nowhere, the import of the module tells so, unless the system's linker finds it.
    """
    for place in _places():
        if os.path.exists(place):
            ctypes.CDLL(place)
            return
