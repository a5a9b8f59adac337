"""What encoders and decoders are made of: convolutions with norms, keyed dropout, first weights.

A *style* is how layers are normalised. `batch` is the paper's. `group` needs no running statistics
and treats every example alone, so that stacked networks (`torch.func.vmap`) and several processes
compute what one network in one process does.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn

Style = Literal["batch", "group"]

SLOPE = 0.2
"""Slope of the leaky rectifier below zero, in every decoder (supplementary material)."""
_GROUP = 8
"""Channels normalised together in style `group`."""


def norm(channels: int, style: Style) -> nn.Module:
    """Return the normalisation of a feature map."""
    if style == "batch":
        return nn.BatchNorm2d(channels)
    return nn.GroupNorm(max(1, channels // _GROUP), channels)


def has_batch_norm(network: nn.Module) -> bool:
    """Return whether what a network makes of an example depends on the others beside it."""
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules())


def convolution(channels: int, out: int, style: Style, *, stride: int = 1) -> nn.Sequential:
    """Return a 3×3 convolution, its norm and a leaky rectifier."""
    conv = nn.Conv2d(channels, out, 3, stride, padding=1, bias=False)
    return nn.Sequential(conv, norm(out, style), nn.LeakyReLU(SLOPE, inplace=True))


def doubling(channels: int, out: int, style: Style) -> nn.Sequential:
    """Return a 4×4 transposed convolution that doubles the side, its norm and a leaky rectifier.

    The kernel is a multiple of the stride, so that every pixel gets as many terms as its neighbour.
    """
    conv = nn.ConvTranspose2d(channels, out, 4, stride=2, padding=1, bias=False)
    return nn.Sequential(conv, norm(out, style), nn.LeakyReLU(SLOPE, inplace=True))


class Fit(nn.Module):
    """Bring a feature map to a square of a given side, where strides alone do not.

    Larger maps are averaged, smaller ones repeated or interpolated; one of that side is left alone.
    """

    def __init__(self, side: int, *, smooth: bool = False) -> None:
        super().__init__()
        self.side, self.smooth = side, smooth

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C, h, w) to (B, C, side, side)."""
        size = (self.side, self.side)
        if features.shape[-2:] == size:
            return features
        if min(features.shape[-2:]) > self.side and not self.smooth:
            return nn.functional.adaptive_avg_pool2d(features, size)
        mode = "bilinear" if self.smooth else "nearest-exact"
        return nn.functional.interpolate(features, size, mode=mode)


class KeyedDropout(nn.Module):
    """Dropout whose draws follow from a key and an example's place in the batch alone.

    So a resumed run draws the same, and so do the parts of a batch, whichever worker has them. The
    key is set before each training step by `key_dropout`; evaluation drops nothing.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.key: int | None = None
        self.first = 0

    def forward(self, features: Tensor) -> Tensor:
        """Drop a share of the features (B, …) and scale up the rest, in training.

        Raises:
            RuntimeError: training without a key.
        """
        if not self.training or self.share == 0:
            return features
        if self.key is None:
            raise RuntimeError("dropout has no key: call key_dropout(network, key) before the step")
        generator = torch.Generator(features.device)
        drawn = torch.empty(features.shape, device=features.device)
        for place, row in enumerate(drawn, self.first):
            row.uniform_(generator=generator.manual_seed(_spread(self.key, place)))
        return features * (drawn >= self.share) / (1 - self.share)


def key_dropout(network: nn.Module, key: int, first: int = 0) -> None:
    """Set the key of every dropout in a network for one step; networks without any are let be.

    Args:
        network: any network.
        key: a 64-bit number that names the step; layers draw from keys of their own derived from
            it.
        first: place in the whole batch of the first example that the network is to see.
    """
    layers = (module for module in network.modules() if isinstance(module, KeyedDropout))
    for index, layer in enumerate(layers):
        layer.key, layer.first = _spread(key, index), first


def _spread(key: int, index: int) -> int:
    """Return a key of something numbered, far from those of its neighbours."""
    return (key * 0x9E3779B97F4A7C15 + index * 0xD1342543DE82EF95) % 2**63


def initialise(network: nn.Module) -> None:
    """Draw first weights that keep the features' variance (He et al. 2015), biases zero.

    A transposed convolution of stride s adds up a kernel's s²-th part, which its fan-in says.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, SLOPE, nonlinearity="leaky_relu")
        elif isinstance(module, nn.ConvTranspose2d):
            fan = module.in_channels * math.prod(module.kernel_size) / math.prod(module.stride)
            nn.init.normal_(module.weight, std=math.sqrt(2 / (1 + SLOPE**2) / fan))
        if isinstance(module, nn.Conv2d | nn.Linear | nn.ConvTranspose2d) and (
            module.bias is not None
        ):
            nn.init.zeros_(module.bias)
