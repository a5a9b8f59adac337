"""Encoders: one shape of representation whatever the image, strides where the paper has them."""

import pytest
import torch
from torch import nn

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_catalogue.study_parts import Model
from taskonomy_jobs.model.encoders import ENCODERS, create_encoder

OTHER_SIZES = [pytest.param(size, marks=pytest.mark.slow) for size in (48, 64, 128, 512)]


@pytest.mark.parametrize("size", [32, 80, 256, 1024, *OTHER_SIZES])
@pytest.mark.parametrize("name", ENCODERS)
def test_every_image_size_gives_sixteen_by_sixteen_cells(name: str, size: int) -> None:
    with torch.device("meta"):
        representation = create_encoder(name, size)(torch.zeros(2, 3, size, size))
    assert representation.shape == (2, 8, 16, 16)


def test_tiles_of_any_size_are_encoded() -> None:
    with torch.device("meta"):
        assert create_encoder("resnet-tiny", 64)(torch.zeros(9, 3, 21, 21)).shape == (9, 8, 16, 16)


@pytest.mark.parametrize(
    ("size", "kept"),
    [
        (32, ["conv1"]),
        (64, ["conv1", "maxpool"]),
        (256, ["conv1", "maxpool", "layer2", "layer3"]),
        (512, ["conv1", "maxpool", "layer2", "layer3", "layer4"]),
    ],
)
def test_strides_go_from_the_end(size: int, kept: list[str]) -> None:
    """At 256 px only the last stage has none, and nowhere is a convolution dilated instead."""
    with torch.device("meta"):
        encoder = create_encoder("resnet50", size)
    layers = {name: m for name, m in encoder.named_modules() if isinstance(m, nn.Conv2d)}
    assert {layer.dilation for layer in layers.values()} == {(1, 1)}
    strided = [
        name.split(".")[2]
        for name, module in encoder.named_modules()
        if isinstance(module, nn.Conv2d | nn.MaxPool2d) and module.stride in (2, (2, 2))
    ]
    assert list(dict.fromkeys(strided)) == kept


def test_the_papers_encoder_is_resnet50_and_a_convolution_to_eight() -> None:
    with torch.device("meta"):
        parameters = sum(p.numel() for p in create_encoder("resnet50", 256).parameters())
    resnet50_without_classifier = 25_557_032 - (2048 * 1000 + 1000)  # He et al. 2016
    assert parameters == resnet50_without_classifier + 2048 * 8 * 9 + 8


def test_the_study_offers_these_encoders() -> None:
    for name in ENCODERS:
        assert Model.model_validate({"encoder": name}).encoder == name


def test_what_there_is_not_is_named() -> None:
    with pytest.raises(SettingRefused, match=r"model.encoder: there is no 'resnet-5'; did you"):
        create_encoder("resnet-5", 64)
    with pytest.raises(SettingRefused, match=r"model.imageSize: 16 is too small; use at least 32"):
        create_encoder("resnet-tiny", 16)
