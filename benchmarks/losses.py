# SPDX-License-Identifier: Apache-2.0
"""Whether a contender's losses are right.

They agree with eager's to a tolerance, or else are about as far as eager's from those of the same
program in float64. The second is for models that amplify rounding: in T5, whose activations are
ReLU, one unit of five million that is 1e-7 from zero is on in one run and off in another. The
gradients then differ by 1e-3, and the losses by 1e-3 fifteen steps later; eager's do, too, from
those of float64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.programs import PROGRAMS

# Largest relative difference to eager's loss, over the first steps.
TOLERANCE, TOLERANCE_BF16 = 1e-3, 3e-2
DRIFT = 10.0  # so much more may the last loss differ: training amplifies differences of rounding
SMALL_LOSS = 0.05  # of the first one: differences of smaller losses are held against this much
# How much further than eager from float64: which units switch first is chance.
FURTHER = 4.0


@dataclass(frozen=True)
class Difference:
    """The largest relative ones of losses."""

    first: float  # over the first steps
    last: float  # at the last step that both have taken

    def largest(self) -> float:
        return max(self.first, self.last)


def loss_difference(expected: Sequence[float], actual: Sequence[float]) -> float:
    """The largest relative one; infinite where one of the two is no number."""
    least = SMALL_LOSS * abs(expected[0])
    worst = 0.0
    for a, b in zip(expected, actual, strict=True):
        if math.isfinite(a) and math.isfinite(b):
            worst = max(worst, abs(a - b) / max(abs(a), least, 1e-12))
        elif not (math.isnan(a) and math.isnan(b)) and a != b:
            return math.inf
    return worst


def difference(
    expected: Sequence[float], actual: Sequence[float], first_steps: int, last: int
) -> Difference:
    """`last`: the number of the last step that is compared."""
    return Difference(
        first=loss_difference(expected[:first_steps], actual[:first_steps]),
        last=loss_difference([expected[0], expected[last]], [expected[0], actual[last]]),
    )


def agrees(
    program: str,
    to_eager: Difference,
    to_exact: Difference | None = None,
    eager_to_exact: Difference | None = None,
) -> bool:
    """`to_exact`, `eager_to_exact`: the distances to the run in float64, where there was one."""
    limit = TOLERANCE_BF16 if PROGRAMS[program].autocast else TOLERANCE
    if to_eager.first <= limit and to_eager.last <= DRIFT * limit:
        return True
    if to_exact is None or eager_to_exact is None:
        return False
    return to_exact.first <= max(limit, FURTHER * eager_to_exact.first) and (
        to_exact.last <= max(DRIFT * limit, FURTHER * eager_to_exact.last)
    )
