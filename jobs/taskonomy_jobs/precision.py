"""What networks compute in."""

from contextlib import nullcontext
from typing import Any

import torch


def mixed_precision(device: torch.device) -> Any:
    """Return the context a network computes in: bfloat16 on a GPU that has it.

    bfloat16 has float32's range and needs no loss scaling; GPUs without it keep to float32.
    """
    if device.type == "cuda" and torch.cuda.is_bf16_supported():
        return torch.autocast("cuda", torch.bfloat16)
    return nullcontext()
