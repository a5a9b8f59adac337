"""Decoders: the paper's layers, sizes that are no power of two, small first predictions."""

import pytest
import torch
from torch import nn

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_catalogue.tasks import Output, OutputKind, paper_dictionary
from taskonomy_jobs.model.decoders import create_decoder


def output(kind: OutputKind, channels: int, stride: int = 1) -> Output:
    return Output(kind=kind, channels=channels, stride=stride)


def layers(decoder: nn.Module) -> list[tuple[str, int]]:
    names = {nn.Conv2d: "conv", nn.ConvTranspose2d: "deconv", nn.Linear: "linear"}
    found = []
    for module in decoder.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            found.append((names[type(module)], module.out_channels))
        elif isinstance(module, nn.Linear):
            found.append(("linear", module.out_features))
    return found


@pytest.mark.parametrize("size", [64, 128, 256])
@pytest.mark.parametrize("name", ["paper", "tiny"])
def test_every_task_has_its_shape(name: str, size: int) -> None:
    trained = [task for task in paper_dictionary() if task.is_trained]
    for wanted, images in {(task.output, task.images) for task in trained}:
        with torch.device("meta"):
            decoder = create_decoder(name, wanted, size, images=images).eval()
            prediction = decoder(torch.zeros(2, 8 * images, 16, 16))
        side = size // wanted.stride
        pixels = () if wanted.kind in ("vector", "classes") else (side, side)
        assert prediction.shape == (2, wanted.channels, *pixels), wanted


def test_the_papers_pixel_decoder() -> None:
    with torch.device("meta"):
        decoder = create_decoder("paper", output("image", 3), 256)
    at_sixteen = [("conv", width) for width in (1024, 1024, 512, 256, 256, 128)]
    upwards = [("deconv", 64), ("conv", 64), ("deconv", 32), ("conv", 32)]
    upwards += [("deconv", 16), ("conv", 32), ("deconv", 16), ("conv", 3)]
    assert layers(decoder) == at_sixteen + upwards
    norms = [m for m in decoder.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == len(at_sixteen + upwards) - 1  # all but the output's
    slopes = {m.negative_slope for m in decoder.modules() if isinstance(m, nn.LeakyReLU)}
    assert slopes == {0.2}
    assert isinstance(list(decoder.children())[-1], nn.Tanh)


@pytest.mark.parametrize(("images", "hidden"), [(1, 1), (2, 2), (3, 2)])
def test_the_papers_fully_connected_layers(images: int, hidden: int) -> None:
    with torch.device("meta"):
        decoder = create_decoder("paper", output("vector", 6), 256, images=images).eval()
        prediction = decoder(torch.zeros(4, 8 * images, 16, 16))
    assert layers(decoder) == [("linear", 2048)] * hidden + [("linear", 6)]
    assert prediction.shape == (4, 6)


@pytest.mark.parametrize("name", ["paper", "tiny"])
@pytest.mark.parametrize("size", [32, 48, 80, 512])
def test_sides_that_doubling_misses_are_met(name: str, size: int) -> None:
    for kind, channels, stride in [("image", 3, 1), ("embedding", 64, 1), ("class-map", 9, 2)]:
        made = Output.model_validate({"kind": kind, "channels": channels, "stride": stride})
        with torch.device("meta"):
            prediction = create_decoder(name, made, size)(torch.zeros(1, 8, 16, 16))
        assert prediction.shape == (1, channels, size // stride, size // stride)


@pytest.mark.parametrize("kind", ["image", "embedding", "class-map", "classes", "vector"])
def test_first_predictions_are_small(kind: OutputKind) -> None:
    """Embeddings far apart would start with a metric loss in the tens."""
    torch.manual_seed(0)
    with torch.random.fork_rng():
        prediction = create_decoder("tiny", output(kind, 16), 64)(torch.randn(4, 8, 16, 16))
    assert 0.01 < prediction.std() < 0.3


def test_what_there_is_not_is_named() -> None:
    with pytest.raises(SettingRefused, match=r"model.decoder: there is no 'tny'; did you mean"):
        create_decoder("tny", output("image", 3), 64)
    with pytest.raises(ValueError, match="no decoder"):
        create_decoder("tiny", output("representation", 8), 64)
