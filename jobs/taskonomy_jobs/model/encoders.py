"""Encoders: from an image to its representation, 16×16 cells of 8 numbers at every image size.

`resnet50` is the paper's (supplementary material): no pooling at the end, fewer strides so that
16×16 cells are left, then a 3×3 convolution to 8 channels. `resnet18` is the same on a lighter
trunk, and `resnet-tiny` a residual network that two CPU cores can train at 64 or 128 px.
"""

from collections.abc import Iterator
from itertools import pairwise

from torch import Tensor, nn

from taskonomy_catalogue.errors import SettingRefused, did_you_mean
from taskonomy_jobs.model.layers import SLOPE, Fit, convolution, initialise, norm

CELLS = 16
"""Side of a representation in cells."""
CHANNELS = 8
"""Numbers in a cell."""
ENCODERS = ("resnet50", "resnet18", "resnet-tiny")


def create_encoder(name: str, image_size: int) -> nn.Module:
    """Return an encoder with new weights, drawn from torch's global generator.

    It maps images (B, 3, S, S) in [-1, 1] to representations (B, 8, 16, 16). Images of another
    side, such as the jigsaw's tiles, are mapped at the same stride and fitted to 16×16.

    Args:
        name: one of `ENCODERS`.
        image_size: S in pixels, at least 32.

    Raises:
        SettingRefused: there is no encoder of that name, or the image is too small.
    """
    if name not in ENCODERS:
        raise SettingRefused(f"model.encoder: there is no {name!r}{did_you_mean(name, ENCODERS)}")
    if image_size < 2 * CELLS:
        raise SettingRefused(f"model.imageSize: {image_size} is too small; use at least 32")
    doublings = (image_size // CELLS).bit_length() - 1
    trunk = _tiny(doublings) if name == "resnet-tiny" else _resnet(name, doublings)
    return nn.Sequential(trunk, Fit(CELLS))


# --- the paper's -------------------------------------------------------------------------------

_FEATURES = {"resnet50": 2048, "resnet18": 512}
"""Channels that a trunk ends with."""


def _resnet(name: str, doublings: int) -> nn.Module:
    import timm  # here: it takes longer to import than torch, and resnet-tiny needs none of it

    trunk: nn.Module = timm.create_model(
        name, pretrained=False, num_classes=0, global_pool="", zero_init_last=False
    )
    _keep_strides(trunk, doublings)
    head = nn.Conv2d(_FEATURES[name], CHANNELS, 3, padding=1)
    initialise(head)
    return nn.Sequential(trunk, head)


def _keep_strides(trunk: nn.Module, doublings: int) -> None:
    """Take strides away from the end until the trunk halves the side `doublings` times.

    At 256 px only the last stage loses its stride, as in the paper. Residual branches keep their
    full weight from the start (`zero_init_last`): a random encoder is more than its short cuts.
    """
    stages = ("conv1", "maxpool", "layer2", "layer3", "layer4")
    for stage in stages[doublings:]:
        for layer in _strided(trunk.get_submodule(stage)):
            layer.stride = (1, 1) if isinstance(layer, nn.Conv2d) else 1


def _strided(stage: nn.Module) -> Iterator[nn.Conv2d | nn.MaxPool2d]:
    for layer in stage.modules():
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d) and layer.stride in (2, (2, 2)):
            yield layer


# --- the laptop's ------------------------------------------------------------------------------


_WIDTH = 64
"""Channels of resnet-tiny at 16×16; each level above has half as many, at least 16."""
_BLOCKS = 3
"""Residual blocks at 16×16: enough for a cell to see nearly the whole image."""


class _Block(nn.Module):
    """Two 3×3 convolutions beside a short cut (He et al. 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = convolution(channels, channels, "group")
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = norm(channels, "group")
        self.activation = nn.LeakyReLU(SLOPE, inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        residual: Tensor = self.norm(self.second(self.first(features)))
        activated: Tensor = self.activation(features + residual)
        return activated


def _tiny(doublings: int) -> nn.Module:
    widths = [max(16, _WIDTH >> level) for level in reversed(range(doublings))]
    strided = [convolution(i, o, "group", stride=2) for i, o in pairwise([3, *widths])]
    blocks = [_Block(_WIDTH) for _ in range(_BLOCKS)]
    network = nn.Sequential(*strided, *blocks, nn.Conv2d(_WIDTH, CHANNELS, 3, padding=1))
    initialise(network)
    return network
