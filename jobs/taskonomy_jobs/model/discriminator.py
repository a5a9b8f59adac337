"""The discriminator: whether an answer to an image is its label, or what a network took for it.

It sees image and answer together and judges patch by patch, so that it asks whether details belong
to this image and leaves what the whole looks like to the task's own loss (Isola et al. 2017,
Image-to-Image Translation with Conditional Adversarial Networks, sections 3.1 and 3.2.2).
"""

import torch
from torch import Tensor, nn

from taskonomy_catalogue.trials import Trial
from taskonomy_jobs.model.layers import SLOPE, initialise, norm

WIDTHS = {"paper": (64, 128, 256, 512), "tiny": (16, 32, 64)}
"""Channels of the layers, by the decoder beside which it learns. All but the last halve the side:
a patch is 54 pixels wide at 256, 22 at 64."""
SMALLEST = 8
"""Side from which on no layer halves it."""


class Discriminator(nn.Module):
    """Convolutions over image and answer to one logit a patch, above 0 for what looks a label.

    Every example is normalised alone (style `group`), so that parts of a batch, and the workers
    that share one, compute what the whole would.

    Args:
        channels: of image and answer together.
        widths: channels of the layers.
        side: of the answer in pixels.
    """

    def __init__(self, channels: int, widths: tuple[int, ...], side: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for number, width in enumerate(widths):
            halves = number < len(widths) - 1 and side >= 2 * SMALLEST
            layers += _layer(channels, width, halves=halves, plain=number == 0)
            channels, side = width, side // 2 if halves else side
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels, 1, 3, padding=1))
        initialise(self)

    def forward(self, images: Tensor, answers: Tensor) -> Tensor:
        """Map images (B, n, 3, S, S) and answers (B, C, s, s) to logits (B, h, w)."""
        height, width = answers.shape[-2:]
        seen = nn.functional.adaptive_avg_pool2d(images.flatten(1, 2), (height, width))
        logits: Tensor = self.layers(torch.cat([seen, answers], dim=1))
        return logits.squeeze(1)


def create_discriminator(trial: Trial) -> Discriminator:
    """Return the discriminator of a trial; its first weights follow from `trial.seed` alone.

    The global generator is left as it was.
    """
    output = trial.target.output
    channels = 3 * trial.target.images + output.channels
    side = trial.model.image_size // output.stride
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(-1 - trial.seed)  # no network is drawn from a seed below 0
        return Discriminator(channels, WIDTHS[trial.model.decoder], side)


def _layer(channels: int, out: int, *, halves: bool, plain: bool) -> list[nn.Module]:
    """Return a convolution and a leaky rectifier, with a norm between them unless it is plain.

    The first layer is: a norm would hide how bright an answer is.
    """
    kernel, stride = (4, 2) if halves else (3, 1)
    conv = nn.Conv2d(channels, out, kernel, stride, padding=1, bias=plain)
    between = [] if plain else [norm(out, "group")]
    return [conv, *between, nn.LeakyReLU(SLOPE, inplace=True)]
