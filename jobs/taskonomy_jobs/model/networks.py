"""Networks as trials train them: a task's own, a transfer's, and the baseline from scratch.

    task-specific   images ─► encoder (shared by the images) ─► decoder ─► prediction
    transfer        frozen representations ─► readout ─► decoder ─► prediction
    scratch         images, cut into 16×16 cells ─► readout ─► decoder ─► prediction

A transfer is a small network, the same whatever the sources but for its first layer's input; the
baseline is that very network on the image itself (tasks of the paper's section 3.2).
"""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_catalogue.study_parts import Model
from taskonomy_catalogue.trials import SourceEncoder, Trial, TrialTask
from taskonomy_jobs.model.decoders import DECODERS, create_decoder
from taskonomy_jobs.model.encoders import CELLS, CHANNELS, create_encoder
from taskonomy_jobs.model.layers import Style, convolution, initialise

JIGSAW = "jigsaw"
"""The task whose network sees one image as tiles."""
TILES = 9
"""Tiles of the jigsaw, each encoded as an image of its own."""
TOWER = 8
"""Channels of each of the readout's two towers."""
CLIP = 5.0
"""Standard deviations at which representations are clipped."""


def create_network(trial: Trial) -> nn.Module:
    """Return a trial's network; its first weights follow from `trial.seed` alone.

    So transfers of equal order to one target start from the same weights, whatever their sources.
    The global generator is left as it was.

    Raises:
        SettingRefused: the encoder or decoder is unknown, or the jigsaw is a transfer's target:
            the tiles it permutes are not in representations of whole images.
    """
    if trial.kind == "transfer" and trial.target.id == JIGSAW:
        raise SettingRefused(f"{trial.title}: {JIGSAW} can only be a source; make it source-only")
    made = {"task-specific": _task_network, "scratch": _scratch_network}
    return _seeded(trial.seed, lambda: made.get(trial.kind, _transfer_network)(trial))


def create_source_encoder(encoder: SourceEncoder, model: Model) -> nn.Module:
    """Return the frozen encoder of a source, in evaluation mode.

    One that is never trained (random projections) has its weights, which follow from
    `initial_seed` alone. A trained one has the shape; its task-specific trial has the weights.
    """
    seed = encoder.initial_seed or 0
    made = _seeded(seed, lambda: create_encoder(model.encoder, model.image_size))
    return made.eval().requires_grad_(False)


def images_seen(task: TrialTask) -> int:
    """Return how many images the task's own network sees in one example: n of its input."""
    return TILES if task.id == JIGSAW else task.images


def is_bounded(task: TrialTask) -> bool:
    """Return whether the task's images lie in [-1, 1].

    Images trained with L1 are scaled to it. Those trained with L2, which is curvature, are
    standardised instead and reach beyond four standard deviations, where tanh would cut them off.
    """
    return task.loss != "l2"


class TaskNetwork(nn.Module):
    """One encoder, shared by an example's images, and the task's decoder."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, images: Tensor) -> Tensor:
        """Map images (B, n, 3, S, S) in [-1, 1] to predictions (`create_decoder`)."""
        representations = self.encoder(images.flatten(0, 1))
        prediction: Tensor = self.decoder(_beside(representations, images.shape[1]))
        return prediction


class Readout(nn.Module):
    """Two parallel towers of two 3×3 convolutions with 8 channels, joined to 16."""

    def __init__(self, channels: int, style: Style) -> None:
        super().__init__()
        self.towers = nn.ModuleList(
            nn.Sequential(convolution(channels, TOWER, style), convolution(TOWER, TOWER, style))
            for _ in range(2)
        )
        initialise(self)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, channels, 16, 16) to (B, 16, 16, 16)."""
        return torch.cat([tower(features) for tower in self.towers], dim=-3)


class TransferNetwork(nn.Module):
    """The readout of k sources' representations and the target's decoder.

    Args:
        readout: of 8k channels.
        decoder: of the readout's output.
        channels: 8k.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, readout: nn.Module, decoder: nn.Module, channels: int) -> None:
        super().__init__()
        self.readout, self.decoder = readout, decoder
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))

    def set_normalisation(self, mean: Tensor, std: Tensor) -> None:
        """Set mean and standard deviation of each channel of the representations, both (8k,).

        A channel that never changes (std 0) is only centred.
        """
        self.mean.copy_(mean)
        self.std.copy_(torch.where(std > 0, std, torch.ones_like(std)))

    def forward(self, representations: Tensor) -> Tensor:
        """Map representations (B, n, 8k, 16, 16) to predictions (`create_decoder`)."""
        centred = representations - self.mean[:, None, None]
        normal = (centred / self.std[:, None, None]).clamp(-CLIP, CLIP)
        features = self.readout(normal.flatten(0, 1))
        prediction: Tensor = self.decoder(_beside(features, representations.shape[1]))
        return prediction


class ScratchNetwork(nn.Module):
    """The transfer's small network on the image itself.

    The image's pixels become channels of 16×16 cells, none lost, so that readout and decoder are
    the transfer's own and only the first layer's input differs.
    """

    def __init__(self, readout: nn.Module, decoder: nn.Module, image_size: int) -> None:
        super().__init__()
        self.readout, self.decoder = readout, decoder
        self.block = image_size // CELLS

    def forward(self, images: Tensor) -> Tensor:
        """Map images (B, n, 3, S, S) in [-1, 1] to predictions (`create_decoder`)."""
        pixels = _fitted(images.flatten(0, 1), self.block * CELLS)
        features = self.readout(nn.functional.pixel_unshuffle(pixels, self.block))
        prediction: Tensor = self.decoder(_beside(features, images.shape[1]))
        return prediction


# --- a trial's network -------------------------------------------------------------------------


def _task_network(trial: Trial) -> nn.Module:
    encoder = create_encoder(trial.model.encoder, trial.model.image_size)
    return TaskNetwork(encoder, _decoder(trial, CHANNELS, images_seen(trial.target)))


def _transfer_network(trial: Trial) -> nn.Module:
    channels = CHANNELS * trial.order
    decoder = _decoder(trial, 2 * TOWER, trial.target.images)
    return TransferNetwork(Readout(channels, _style(trial)), decoder, channels)


def _scratch_network(trial: Trial) -> nn.Module:
    size = trial.model.image_size
    readout = Readout(3 * (size // CELLS) ** 2, _style(trial))
    decoder = _decoder(trial, 2 * TOWER, images_seen(trial.target))
    return ScratchNetwork(readout, decoder, size)


def _decoder(trial: Trial, channels: int, images: int) -> nn.Module:
    return create_decoder(
        trial.model.decoder,
        trial.target.output,
        trial.model.image_size,
        channels=channels,
        images=images,
        bounded=is_bounded(trial.target),
    )


def _style(trial: Trial) -> Style:
    return DECODERS[trial.model.decoder].style


Made = TypeVar("Made")


def _seeded(seed: int, make: Callable[[], Made]) -> Made:
    """Make something whose draws come from the global generator, and put that back."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def _beside(features: Tensor, images: int) -> Tensor:
    """Put an example's images beside one another: (B·n, C, h, w) to (B, n·C, h, w)."""
    return features.reshape(-1, images * features.shape[1], *features.shape[2:])


def _fitted(images: Tensor, side: int) -> Tensor:
    if images.shape[-1] == side:
        return images
    return nn.functional.interpolate(images, (side, side), mode="bilinear")
