# SPDX-License-Identifier: Apache-2.0
"""Every exception of the conformance tests, each with its reason. There is no other list.

`what`: "values" compares metadata only (the values are not defined by CPU's); "close" compares values to 1e-4; "out values" does so for out= only; "forward", "backward", "inplace",
"host arguments" keeps tensor arguments other than the first on the CPU; "out", "errors", "module", "optim" leave that test out; "late" lets an error of execution come at the next wait;
"refused" leaves out dtypes that the device supports beyond the CPU; "fresh" leaves out the second run with permuted values. `names` are regular expressions for whole names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Skip:
    what: str
    names: str
    reason: str
    dtypes: tuple[torch.dtype, ...] = ()


# fmt: off
SKIPS = [
    # Random: the device draws from its own Philox generator; the CPU from its Mersenne twister.
    Skip("values", r"bernoulli|cauchy|exponential|geometric|log_normal|multinomial|normal(\..*)?|uniform", "random: own generator"),
    Skip("values", r"rand(_like|int|int_like|n|n_like|perm)?|nn\.functional\.(feature_)?(alpha_)?dropout[23]?d?", "random: own generator"),
    Skip("values", r"nn\.functional\.(feature_alpha_dropout\..*|dropout.*|rrelu|fractional_max_pool[23]d)|native_dropout_backward", "random: own generator"),
    Skip("values", r"nn\.functional\.(multi_head_attention_forward|scaled_dot_product_attention)", "random when dropout_p > 0: values are compared at p = 0 by test_attention_values"),
    Skip("values", r"(svd|pca)_lowrank", "random: a random projection starts the algorithm"),
    # Uninitialised memory.
    Skip("values", r"empty(_like|_permuted|_strided)?|new_empty(_strided)?", "values are uninitialised"),
    Skip("out values", r"_?native_batch_norm(_legit)?", "eval mode leaves out= of save_mean and save_invstd resized but unwritten"),
    # Not deterministic on the CPU itself.
    Skip("close", r"linalg\.lstsq.*", "LAPACK's workspace alignment decides the last bits: CPU against CPU differs"),
    # PyTorch itself decides by the device's type.
    Skip("values", r"nn\.functional\.linear_cross_entropy.*", "acc_policy='auto' is 'accurate' on the CPU only, 'compact' on every other device", (torch.bfloat16,)),
    Skip("module values", r"nn\.LinearCrossEntropyLoss", "acc_policy='auto' is 'accurate' on the CPU only, 'compact' on every other device", (torch.bfloat16,)),
    # PyTorch wants these arguments on the CPU on every device.
    Skip("host arguments", r"tensor_split", "tensor_indices_or_sections must be on the CPU, as on CUDA"),
    # What GPU programs may call works on the device, though the CPU refuses it (docs/architecture.md).
    Skip("refused", r"abs|nn\.functional\.softsign|trace", "bool works on GPUs", (torch.bool,)),
    Skip("refused", r"histc", "integers work on GPUs", (torch.int64,)),
    Skip("refused", r"nansum|nanmean", "complex numbers work on GPUs", (torch.complex64,)),
    Skip("refused", r"nn\.functional\.(avg_pool3d|multi_margin_loss|multilabel_margin_loss)|_upsample_bilinear2d_aa", "bfloat16 works on GPUs", (torch.bfloat16,)),
    # What execution alone can find.
    Skip("late", r"gather|scatter(_add|_reduce.*)?|index_(add|copy|fill|put|reduce.*|select)|take(_along_dim)?|put|nn\.functional\.(embedding|embedding_bag|one_hot|nll_loss|cross_entropy|multi_margin_loss)", "an index out of range is found by execution and raised at the next wait"),
    Skip("late", r"masked_fill", "a value tensor out of the dtype's range is found by execution and raised at the next wait"),
]
# fmt: on


def find(what: str, name: str, dtype: torch.dtype | None = None) -> Skip | None:
    for skip in SKIPS:
        if skip.what == what and re.fullmatch(skip.names, name):
            if not skip.dtypes or dtype in skip.dtypes:
                return skip
    return None
