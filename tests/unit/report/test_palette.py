"""Colours can be read by everyone: contrast, lightness, and the common colour deficiencies."""

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from taskonomy_warehouse.report.palette import (
    DARK,
    LIGHT,
    MARKS,
    Palette,
    along,
    ink_on,
    order_colours,
    shades,
)

PALETTES = {"light": (LIGHT, "#ffffff"), "dark": (DARK, "#12161c")}

# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
DEFICIENCIES = {
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
}


def linear(colour: str) -> NDArray[np.float64]:
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def luminance(colour: str) -> float:
    return float(linear(colour) @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIE L*a*b* of linear RGB, D65."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    t = np.clip(xyz @ rgb, 0, None) / [0.9505, 1.0, 1.089]
    f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("name", PALETTES)
def test_groups_stand_out_from_the_page(name: str) -> None:
    palette, page = PALETTES[name]
    for colour in palette.groups.values():
        assert contrast(colour, page) >= 4.5


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
@pytest.mark.parametrize("name", PALETTES)
def test_groups_stay_apart(name: str, deficiency: str) -> None:
    """A just noticeable difference is about 2.3; marks differ as well."""
    palette, _ = PALETTES[name]
    seen = {
        g: lab(np.array(DEFICIENCIES[deficiency]) @ linear(c)) for g, c in palette.groups.items()
    }
    for one, other in combinations(seen, 2):
        assert np.linalg.norm(seen[one] - seen[other]) > 8, (one, other)


@pytest.mark.parametrize("name", PALETTES)
def test_figures_can_be_read_on_every_cell(name: str) -> None:
    palette, _ = PALETTES[name]
    for ramp in (palette.strength, palette.win_rate):
        for place in np.linspace(0, 1, 101):
            colour = along(ramp, float(place))
            assert contrast(ink_on(colour), colour) >= 4.5


@pytest.mark.parametrize("name", PALETTES)
def test_few_cells_are_hard_to_read(name: str) -> None:
    """The lightness on which black and white read equally badly is passed in a few steps."""
    palette, _ = PALETTES[name]
    for ramp, crossings in ((palette.strength, 1), (palette.win_rate, 2)):
        colours = [along(ramp, float(place)) for place in np.linspace(0, 1, 101)]
        weak = [colour for colour in colours if contrast(ink_on(colour), colour) < 5.5]
        assert len(weak) <= 6 * crossings


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_ramps_change_steadily_in_lightness(palette: Palette) -> None:
    strength = [luminance(c) for c in palette.strength]
    assert strength == sorted(strength, reverse=palette is DARK)
    orange, blue = palette.win_rate[:4], palette.win_rate[3:]
    towards_middle = sorted(map(luminance, orange), reverse=palette is DARK)
    assert [luminance(c) for c in orange] == towards_middle
    assert [luminance(c) for c in blue] == sorted(map(luminance, blue), reverse=palette is LIGHT)


def test_places_on_a_ramp() -> None:
    ramp = ("#000000", "#ff0000", "#ffffff")
    assert [along(ramp, p) for p in (-1, 0, 0.25, 0.5, 1, 2)] == [
        "#000000", "#000000", "#800000", "#ff0000", "#ffffff", "#ffffff",
    ]  # fmt: skip


def test_every_group_has_a_colour_and_a_mark_of_its_own() -> None:
    for palette in (LIGHT, DARK):
        assert set(palette.groups) == set(MARKS)
        assert len(set(palette.groups.values())) == len(palette.groups)
    assert len(set(MARKS.values())) == len(MARKS)


def test_orders_and_shades_are_told_apart() -> None:
    assert len(set(order_colours(LIGHT, 24))) == 24
    assert order_colours(LIGHT, 1) == [LIGHT.orders[0]]
    family = shades(["a", "b", "c", "d", "e"], LIGHT.groups["3d"])
    assert family["c"] == LIGHT.groups["3d"]
    assert [luminance(c) for c in family.values()] == sorted(map(luminance, family.values()))
    assert shades(["a"], "#123456") == {"a": "#123456"}
