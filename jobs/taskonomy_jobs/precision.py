"""What networks compute in."""

from contextlib import nullcontext
from typing import Any

import torch


def mixed_precision(device: torch.device) -> Any:
    """Return the context a network computes in: bfloat16 on a GPU that has it (Ampere and later).

    bfloat16 has float32's range and needs no loss scaling. Older GPUs, which can only emulate it,
    keep to float32: float16 would need a scale that follows each network's gradients, which would
    be one more thing that a result depends on.
    """
    if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.autocast("cuda", torch.bfloat16)
    return nullcontext()
