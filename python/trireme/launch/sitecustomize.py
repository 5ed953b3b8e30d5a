# SPDX-License-Identifier: Apache-2.0
"""Runs at the start of every Python under `trireme run`, DataLoader workers and launchers' children
included: loads the alias of the device's name, which must be there before torch is. Then the
sitecustomize that this one hides, if there is one, gets its turn."""

import os
import sys


def _load_alias() -> None:
    library = os.environ.get("TRIREME_CUDA_ALIAS")
    if library:
        import ctypes

        try:
            ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
        except OSError as error:
            sys.exit(f"trireme run: {library} does not load: {error}")


def _run_hidden() -> None:
    import importlib.machinery
    import importlib.util

    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", sys.path)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


_load_alias()
_run_hidden()
