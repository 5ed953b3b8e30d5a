# SPDX-License-Identifier: Apache-2.0
"""Programs written for CUDA, unchanged, on the device: what `trireme run` switches on.

How "cuda" comes to mean the device. PyTorch turns device strings into device types in one C++
parser and back into names in one C++ function, and torch.device can be neither subclassed nor
replaced without breaking `isinstance`, TorchScript and every C++ caller. A TorchFunctionMode is
per thread and costs each call; wrapping the hundred Python functions that take a device forgets
the hundred-and-first; kernels under CUDA's dispatch key would leave autograd, autocast and the
random generator looking for CUDA's. So a small library (src/trireme/cuda_alias) stands in for the
two functions themselves and is loaded before torch: "cuda" parses to the device, and the device's
name is "cuda". `torch.device("cuda")`, `tensor.device.type == "cuda"`, `map_location`,
`torch.autocast("cuda")`, `torch.Generator("cuda")`, TorchScript and checkpoint files then hold by
themselves, at no cost. "trireme" still parses to the same device.

What is left for Python, and done here: `torch.cuda.*`, which asks a CUDA runtime, answers for the
device (torch_cuda.py); `Tensor.cuda`, `Tensor.is_cuda` and the legacy tensor types test for CUDA's
dispatch key (tensors.py); and a few parts of torch look for CUDA's libraries (subsystems.py).
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path

ALIAS_VARIABLE = "TRIREME_CUDA_ALIAS"
ALIAS_LIBRARY = "libtrireme_cuda_alias.so"
LAUNCH_FOLDER = Path(__file__).parent.parent / "launch"


def alias_library() -> Path:
    """Where the library lies, or a FileNotFoundError that says how to get it."""
    import trireme

    # An editable installation spreads the package over the source tree and site-packages.
    for folder in trireme.__path__:
        library = Path(folder) / ALIAS_LIBRARY
        if library.exists():
            return library.resolve()
    raise FileNotFoundError(f"{ALIAS_LIBRARY} is missing from the trireme package: `make build`")


def environment(base: dict[str, str]) -> dict[str, str]:
    """The environment of a program under `trireme run`; its children inherit it."""
    result = dict(base)
    result[ALIAS_VARIABLE] = str(alias_library())
    paths = [str(LAUNCH_FOLDER), *filter(None, [base.get("PYTHONPATH")])]
    result["PYTHONPATH"] = os.pathsep.join(paths)
    return result


def active() -> bool:
    """True when "cuda" is the name of the device in this process."""
    import torch

    if torch._C._get_privateuse1_backend_name() == "cuda":
        return True
    if os.environ.get(ALIAS_VARIABLE):
        warnings.warn(
            f"{ALIAS_VARIABLE} is set, but its library was not loaded before torch: 'cuda' does "
            "not mean the device here. Start the program with `trireme run`.",
            RuntimeWarning,
            stacklevel=2,
        )
    return False


def install() -> None:
    """The Python part; see the top of this file."""
    from trireme.cuda_shim import subsystems, tensors, torch_cuda

    tensors.install()
    torch_cuda.install()
    subsystems.install()
