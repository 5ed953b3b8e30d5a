# SPDX-License-Identifier: Apache-2.0
"""Trireme: one PyTorch device in front of every accelerator it is given.

Programs need not import this package: PyTorch loads it by itself (entry point group
``torch.backends``), after which ``torch.device("trireme")`` and ``torch.trireme`` exist.
Importing it costs nothing, torch is imported only by what needs the device.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from trireme._version import __version__

if TYPE_CHECKING:
    from os import PathLike

__all__ = ["__version__", "counters", "explain", "replay", "segments"]

DEVICE = "trireme"
_loaded = False


def _autoload() -> None:
    """Makes the device known to PyTorch; called at the end of ``import torch``."""
    global _loaded
    if _loaded:
        return
    _loaded = True
    try:
        from trireme import _C  # noqa: F401 (registers kernels, hooks, guard and allocator)
    except ImportError as error:
        # Raising here would make `import torch` fail, and with it the build of the very module
        # that is missing.
        warnings.warn(
            f"the device 'trireme' is not available: its compiled module does not load ({error}). "
            "Build it (`make build`), against the torch that is installed.",
            RuntimeWarning,
            stacklevel=2,
        )
        return
    from trireme import _register

    _register.register()


def _compiled() -> Any:
    """The compiled module, with the device registered."""
    import torch  # noqa: F401 (calls _autoload)

    _autoload()
    from trireme import _C

    return _C


def explain(enable: bool | None = None) -> str:
    """The latest recorded calls as text: op, shapes, dtypes, storages, source line.

    Lines are kept from `enable=True` (or ``TRIREME_EXPLAIN=1``) on: each costs microseconds.
    `enable=False` returns those kept so far and ends it.
    """
    compiled = _compiled()
    if enable:
        compiled.enable_explain(True)
    text: str = compiled.explain()
    if enable is False:
        compiled.enable_explain(False)
    return text


def counters() -> dict[str, int]:
    """What the device has counted: calls, metadata cache hits and misses, waits, errors, ..."""
    counts: dict[str, int] = _compiled().counters()
    return counts


def segments() -> dict[str, int]:
    """What was cut, compiled and followed so far: ``docs/following.md`` has the words.

    `segments` ended, of them `followed` by a compiled program (`followed_symbolically`: with sizes
    of which some vary), `diverged` after they had been held back; `calls_followed`;
    `longest_followed` in calls, what the interval has grown to; programs asked for
    (`symbolic_asked`, `joined_asked`) and `programs_pending`; `compiler_rested`: 1 when it has time
    for joining segments; ``cuts_<reason>``;
    ``left: <reason>``: why known segments were left; ``refused: <reason>``: why programs were not
    made, so that their segments run call by call.
    """
    counts: dict[str, int] = _compiled().segments()
    return counts


def replay(
    path: str | PathLike[str], partial: bool = False, verify: bool = False
) -> dict[str, Any]:
    """Executes a recording (``TRIREME_RECORD=FILE``) and compares every value that was read.

    `partial` accepts a recording that was cut off, and executes what there is. `verify` compiles
    the calls, too, and compares what the compiled code gives.
    """
    result: dict[str, Any] = _compiled().replay(str(path), partial=partial, verify=verify)
    return result
