"""Decoders: from representations to a prediction, one shape for each kind of output.

`paper` is the convolutional decoder of the supplementary material, with the fourteen layers that
its published networks have at 256 px (six at 16×16, eight on the way up; the text counts fifteen),
and fully connected layers of 2048 for vectors and classes. `tiny` tells the same story with fewer
channels, for 64 and 128 px on a CPU. Both first convolve at 16×16, then double the side as often as
the output asks.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from taskonomy_catalogue.errors import SettingRefused, did_you_mean
from taskonomy_catalogue.tasks import Output
from taskonomy_jobs.model.encoders import CELLS, CHANNELS
from taskonomy_jobs.model.layers import (
    SLOPE,
    Fit,
    KeyedDropout,
    Style,
    convolution,
    doubling,
    initialise,
)

WIDE = 8
"""Output channels from which the last convolution is 1×1: many logits or embeddings a pixel."""
FIRST = 0.1
"""Scale of the last layer's first weights: a metric loss of embeddings far apart is in the tens."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """How large the decoders of one name are."""

    style: Style
    """How layers are normalised."""
    convolutions: tuple[int, ...]
    """Channels of the 3×3 convolutions at 16×16."""
    doublings: tuple[tuple[int, int], ...]
    """Channels of each doubling of the side and of the convolution behind it; the last doubling
    goes straight to the output. More doublings than these repeat the last."""
    fine: bool
    """Whether a convolution at full side makes the output. Else the last doubling does, and many
    channels a pixel (`WIDE`) are made at half the side and interpolated: full side is dear."""
    pooled: int
    """Cells on a side that fully connected layers read."""
    hidden: int
    """Width of a fully connected layer."""
    dropout: float
    """Share of hidden features dropped in training."""


DECODERS = {
    "paper": Sizes(
        style="batch",
        convolutions=(1024, 1024, 512, 256, 256, 128),
        doublings=((64, 64), (32, 32), (16, 32), (16, 16)),
        fine=True,
        pooled=16,
        hidden=2048,
        dropout=0.5,
    ),
    "tiny": Sizes(
        style="group",
        convolutions=(48, 48, 32),
        doublings=((24, 24), (16, 16)),
        fine=False,
        pooled=8,
        hidden=128,
        dropout=0.0,
    ),
}


def create_decoder(
    name: str,
    output: Output,
    image_size: int,
    *,
    channels: int = CHANNELS,
    images: int = 1,
    bounded: bool = True,
) -> nn.Module:
    """Return a decoder with new weights, drawn from torch's global generator.

    It maps (B, images·channels, 16, 16) to: image (B, C, S, S); class-map (B, C, S/stride,
    S/stride) logits; embedding (B, C, S/stride, S/stride); vector (B, C); classes (B, C) logits.

    Args:
        name: a key of `DECODERS`.
        output: what the task's network returns.
        image_size: S, side of the input image in pixels.
        channels: of one image's representation.
        images: representations concatenated.
        bounded: whether an output of kind image is kept in [-1, 1], by tanh.

    Raises:
        SettingRefused: there is no decoder of that name.
        ValueError: the output is a representation, which no decoder makes.
    """
    if name not in DECODERS:
        raise SettingRefused(f"model.decoder: there is no {name!r}{did_you_mean(name, DECODERS)}")
    if output.kind == "representation":
        raise ValueError("a representation is the encoder's own output; it has no decoder")
    sizes = DECODERS[name]
    if output.kind in ("vector", "classes"):
        decoder = _fully_connected(sizes, output.channels, channels, images)
    else:
        side = image_size // output.stride
        pixels = _pixels(sizes, output.channels, side, images * channels)
        tanh = output.kind == "image" and bounded
        decoder = nn.Sequential(*pixels, nn.Tanh()) if tanh else nn.Sequential(*pixels)
    initialise(decoder)
    _start_small(decoder)
    return decoder


def _start_small(decoder: nn.Sequential) -> None:
    """Shrink the last layer: first predictions near zero, embeddings near one another."""
    last = [m for m in decoder if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)][-1]
    with torch.no_grad():
        last.weight.mul_(FIRST)


# --- outputs that have pixels ------------------------------------------------------------------


def _pixels(sizes: Sizes, out: int, side: int, channels: int) -> Iterator[nn.Module]:
    for width in sizes.convolutions:
        yield convolution(channels, width, sizes.style)
        channels = width
    doublings = max(0, (side - 1) // CELLS).bit_length()
    for number in range(doublings if sizes.fine else doublings - 1):
        width, after = sizes.doublings[min(number, len(sizes.doublings) - 1)]
        yield doubling(channels, width, sizes.style)
        channels = width
        if number < doublings - 1:
            yield convolution(channels, after, sizes.style)
            channels = after
    yield _last(sizes, channels, out, doublings)
    yield Fit(side, smooth=True)


def _last(sizes: Sizes, channels: int, out: int, doublings: int) -> nn.Module:
    if doublings and not sizes.fine and out < WIDE:
        return nn.ConvTranspose2d(channels, out, 4, stride=2, padding=1)
    kernel = 1 if out >= WIDE else 3
    return nn.Conv2d(channels, out, kernel, padding=kernel // 2)


# --- vectors and classes -----------------------------------------------------------------------


def _fully_connected(sizes: Sizes, out: int, channels: int, images: int) -> nn.Sequential:
    """Return two fully connected layers for one image, three for several."""
    width = images * channels * sizes.pooled**2
    layers: list[nn.Module] = [Fit(sizes.pooled), nn.Flatten()]
    for _ in range(1 if images == 1 else 2):
        layers += _hidden(sizes, width)
        width = sizes.hidden
    return nn.Sequential(*layers, nn.Linear(width, out))


def _hidden(sizes: Sizes, width: int) -> Iterator[nn.Module]:
    yield nn.Linear(width, sizes.hidden, bias=sizes.style != "batch")
    yield nn.BatchNorm1d(sizes.hidden) if sizes.style == "batch" else nn.LayerNorm(sizes.hidden)
    yield nn.LeakyReLU(SLOPE, inplace=True)
    if sizes.dropout:
        yield KeyedDropout(sizes.dropout)
