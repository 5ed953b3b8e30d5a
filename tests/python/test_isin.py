# SPDX-License-Identifier: Apache-2.0
"""torch.isin, which `generate` calls for each token, against eager CPU."""

from __future__ import annotations

import pytest
import torch

NAN = float("nan")
CASES = [
    (torch.arange(300), torch.tensor([7, 299, -1])),
    (torch.arange(300).view(20, 15).t(), torch.tensor([256])),
    (torch.arange(12), torch.tensor(5)),
    (torch.arange(12), torch.tensor([], dtype=torch.long)),
    (torch.tensor([1.0, NAN, -0.0, 2.5]), torch.tensor([NAN, 0.0, 2.5])),
    (torch.arange(300), torch.arange(0, 60, 2)),
    (torch.arange(300), torch.tensor([[3, 4], [5, 6]])),
    (torch.arange(9, dtype=torch.int32), torch.tensor([3, 4])),
    (torch.arange(9).to(torch.bfloat16), torch.tensor([3.0, 4.0]).to(torch.bfloat16)),
]


@pytest.mark.parametrize(("elements", "tests"), CASES)
@pytest.mark.parametrize("invert", [False, True])
def test_isin_is_eagers(elements: torch.Tensor, tests: torch.Tensor, invert: bool) -> None:
    expected = torch.isin(elements, tests, invert=invert)
    on_device, tests_on_device = elements.to("trireme"), tests.to("trireme")
    for _ in range(6):
        found = torch.isin(on_device, tests_on_device, invert=invert)
        assert torch.equal((found ^ False).cpu(), expected)
