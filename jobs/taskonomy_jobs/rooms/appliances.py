"""Pieces of kitchens and bathrooms: they stand at walls and hold machines, taps and basins."""

from taskonomy_jobs.rooms.parts import ALONG_X, ALONG_Y, Piece, Thing
from taskonomy_jobs.rooms.style import Style


def _counter(s: Style, kind: str, w: float, d: float, h: float) -> Thing:
    """Return a base unit with doors and a worktop."""
    body, grip = (s.wood() if s.chance(0.5) else s.paint()), s.metal()
    it = Thing(kind).box((0, -0.02, 0.5 * h), (w, d - 0.04, h - 0.06), body, 0.01)
    it.box((0, 0, h - 0.02), (w, d, 0.04), s.stone(), 0.012)
    count = max(1, round(w / 0.5))
    for i in range(count):
        x = (i - 0.5 * (count - 1)) * w / count
        size = (w / count - 0.02, 0.02, h - 0.2)
        it.box((x, 0.5 * d - 0.035, 0.5 * h - 0.02), size, body, 0.009)
        it.cylinder((x, 0.5 * d - 0.015, h - 0.16), 0.008, 0.14, grip, ALONG_X)
    return it


def kitchen_counter(s: Style) -> Piece:
    """A worktop with cupboards under it."""
    w, d, h = s.between(0.8, 1.8), s.between(0.58, 0.64), s.between(0.86, 0.94)
    it = _counter(s, "cabinet", w, d, h)
    return Piece([it], w, d, h, (w - 0.15, d - 0.2, h))


def sink_unit(s: Style) -> Piece:
    """A cupboard with a basin set into its top and an arched tap."""
    w, d, h = s.between(0.7, 1.1), s.between(0.58, 0.64), s.between(0.86, 0.94)
    metal, basin = s.metal(), Thing("sink")
    rim = 0.2 if s.chance(0.5) else 0.0
    if rim:
        basin.ring((0, 0.02, h), 0.19, 0.025, metal).cylinder(
            (0, 0.02, h + 0.003), 0.19, 0.006, s.dark()
        )
    else:
        for x in (-0.23, 0.23):
            basin.box((x, 0.02, h + 0.01), (0.03, 0.38, 0.03), metal)
        for y in (-0.16, 0.2):
            basin.box((0, y, h + 0.01), (0.46, 0.03, 0.03), metal)
        basin.box((0, 0.02, h + 0.003), (0.44, 0.34, 0.006), s.dark(), 0.002)
    _tap(basin, 0.0, -0.5 * d + 0.09, h, metal)
    return Piece([_counter(s, "cabinet", w, d, h), basin], w, d, h + 0.3)


def _tap(it: Thing, x: float, y: float, z: float, metal: tuple[float, ...]) -> None:
    it.cylinder((x, y, z + 0.1), 0.015, 0.2, metal)
    it.cylinder((x, y + 0.08, z + 0.2), 0.013, 0.17, metal, ALONG_Y)
    it.ball((x, y, z + 0.2), 0.022, metal)


def washbasin(s: Style) -> Piece:
    """A basin on a column or a cupboard, with a tap."""
    w, d, h = s.between(0.5, 0.75), s.between(0.42, 0.5), s.between(0.8, 0.88)
    glaze, it = s.ceramic(), Thing("sink")
    it.box((0, 0, h - 0.08), (w, d, 0.16), glaze, 0.07)
    it.ring((0, 0.03, h), 0.32 * d, 0.022, glaze)
    it.cylinder((0, 0.03, h + 0.002), 0.32 * d, 0.008, s.dark())
    _tap(it, 0.0, -0.5 * d + 0.07, h, s.metal())
    if s.chance(0.5):
        it.cylinder((0, -0.05, 0.5 * (h - 0.15)), 0.1, h - 0.15, glaze)
        return Piece([it], w, d, h + 0.22)
    under = Thing("cabinet").box(
        (0, -0.03, 0.5 * h - 0.06), (w - 0.06, d - 0.08, h - 0.2), s.paint()
    )
    return Piece([it, under], w, d, h + 0.22)


def toilet(s: Style) -> Piece:
    """A bowl with a round seat, and a cistern at the wall."""
    glaze, w, d = s.ceramic(), s.between(0.38, 0.44), s.between(0.64, 0.72)
    it = Thing("toilet").box((0, -0.5 * d + 0.1, 0.62), (w, 0.2, 0.38), glaze, 0.05)
    it.cylinder((0, 0.08, 0.19), 0.13, 0.38, glaze)
    it.box((0, 0.0, 0.33), (0.34, d - 0.18, 0.16), glaze, 0.075)
    it.ring((0, 0.13, 0.42), 0.15, 0.035, s.ceramic())
    it.cylinder((0, 0.13, 0.4), 0.13, 0.02, s.dark())
    if s.chance(0.4):  # the lid is open
        it.box((0, -0.5 * d + 0.23, 0.62), (0.34, 0.03, 0.4), glaze, 0.014)
    it.cylinder((0, -0.5 * d + 0.1, 0.82), 0.03, 0.03, s.metal())
    return Piece([it], w, d, 0.84)


def bathtub(s: Style) -> Piece:
    """A trough: four rounded walls, water or a dry bottom, a tap."""
    w, d, h = s.between(1.4, 1.75), s.between(0.68, 0.8), s.between(0.52, 0.62)
    glaze, it = s.ceramic(), Thing("bathtub")
    for y in (-0.5, 0.5):
        it.box((0, y * (d - 0.1), 0.5 * h), (w, 0.1, h), glaze, 0.045)
    for x in (-0.5, 0.5):
        it.box((x * (w - 0.12), 0, 0.5 * h), (0.12, d, h), glaze, 0.045)
    it.box((0, 0, 0.16), (w - 0.1, d - 0.1, 0.2), glaze if s.chance(0.6) else s.paint(), 0.01)
    metal = s.metal()
    it.cylinder((0.5 * w - 0.06, 0, h + 0.08), 0.018, 0.18, metal)
    it.cylinder((0.5 * w - 0.13, 0, h + 0.16), 0.014, 0.16, metal, ALONG_X)
    return Piece([it], w, d, h)


def washing_machine(s: Style) -> Piece:
    """A white cube with a round door."""
    w, d, h = s.between(0.56, 0.62), s.between(0.52, 0.6), s.between(0.82, 0.88)
    body = s.ceramic() if s.chance(0.7) else s.metal()
    it = Thing("washing machine").box((0, 0, 0.5 * h), (w, d, h), body, 0.02)
    it.ring((0, 0.5 * d, 0.46), 0.17, 0.03, s.metal(), ALONG_Y)
    it.cylinder((0, 0.5 * d, 0.46), 0.15, 0.03, s.dark(), ALONG_Y)
    it.box((0, 0.5 * d, h - 0.07), (0.9 * w, 0.012, 0.08), s.dark(), 0.004)
    return Piece([it], w, d + 0.06, h, (w - 0.15, d - 0.15, h))


def refrigerator(s: Style) -> Piece:
    """Tall, with two doors and long handles."""
    w, d, h = s.between(0.55, 0.8), s.between(0.58, 0.7), s.between(1.4, 1.95)
    body = (s.metal, s.ceramic, s.paint)[int(s.rng.choice(3, p=[0.4, 0.4, 0.2]))]()
    it = Thing("refrigerator").box((0, -0.03, 0.5 * h), (w, d - 0.06, h), body, 0.02)
    split, grip = s.between(0.32, 0.45) * h, s.metal()
    it.box((0, 0.5 * d - 0.03, 0.5 * split), (w, 0.06, split - 0.015), body, 0.025)
    it.box((0, 0.5 * d - 0.03, 0.5 * (h + split)), (w, 0.06, h - split - 0.015), body, 0.025)
    for z, long in ((split - 0.2, 0.26), (split + 0.3, 0.4)):
        it.cylinder((-0.4 * w, 0.5 * d + 0.03, z), 0.014, long, grip)
    return Piece([it], w, d + 0.05, h)


def oven(s: Style) -> Piece:
    """A range: a door with a window and a bar, knobs, hobs on top."""
    w, d, h = s.between(0.56, 0.64), s.between(0.58, 0.64), s.between(0.86, 0.94)
    body = (s.metal, s.ceramic, s.dark)[int(s.rng.choice(3))]()
    it = Thing("oven").box((0, 0, 0.5 * h), (w, d, h), body, 0.012)
    it.box((0, 0.5 * d, 0.42), (0.72 * w, 0.02, 0.36), s.dark(), 0.009)
    it.cylinder((0, 0.5 * d + 0.03, 0.65), 0.013, 0.8 * w, s.metal(), ALONG_X)
    for x in (-0.3, -0.1, 0.1, 0.3):
        it.cylinder((x * w, 0.5 * d + 0.01, h - 0.08), 0.022, 0.03, s.dark(), ALONG_Y)
    for x in (-0.23, 0.23):
        for y in (-0.22, 0.2):
            it.ring((x * w, y * d, h + 0.008), s.between(0.06, 0.09), 0.013, s.dark())
    return Piece([it], w, d + 0.06, h + 0.02)


def extractor_hood(s: Style) -> Piece:
    """A flat hood with a chimney; hangs on a wall with its underside at z = 0."""
    metal, w = s.metal(), s.between(0.56, 0.64)
    it = Thing("extractor hood").box((0, 0.0, 0.05), (w, 0.45, 0.1), metal, 0.02)
    it.box((0, -0.1, 0.35), (0.26, 0.24, 0.52), metal, 0.012)
    return Piece([it], w, 0.45, 0.61)


def wall_cupboard(s: Style) -> Piece:
    """A cupboard that hangs on a wall with its underside at z = 0."""
    w, d, h = s.between(0.5, 1.3), s.between(0.28, 0.36), s.between(0.45, 0.7)
    body, grip = (s.wood() if s.chance(0.5) else s.paint()), s.metal()
    it = Thing("cabinet").box((0, -0.01, 0.5 * h), (w, d - 0.02, h), body, 0.01)
    count = max(1, round(w / 0.45))
    for i in range(count):
        x = (i - 0.5 * (count - 1)) * w / count
        it.box((x, 0.5 * d - 0.02, 0.5 * h), (w / count - 0.02, 0.025, h - 0.03), body, 0.01)
        it.ball((x + 0.3 * w / count, 0.5 * d, 0.12), 0.016, grip)
    return Piece([it], w, d + 0.02, h)


def microwave(s: Style) -> Piece:
    """A small box with a dark window and a row of buttons."""
    body, w, d, h = (s.metal() if s.chance(0.5) else s.ceramic()), 0.48, 0.34, 0.28
    it = Thing("microwave").box((0, 0, 0.5 * h), (w, d, h), body, 0.015)
    it.box((-0.07, 0.5 * d, 0.5 * h), (0.29, 0.012, 0.2), s.dark(), 0.004)
    for z in (0.07, 0.14, 0.21):
        it.cylinder((0.17, 0.5 * d, z), 0.018, 0.02, s.dark(), ALONG_Y)
    return Piece([it], w, d, h)


def toaster(s: Style) -> Piece:
    """A rounded box with two slots."""
    w, d, h = 0.28, 0.18, 0.19
    it = Thing("toaster").box(
        (0, 0, 0.5 * h), (w, d, h), s.metal() if s.chance(0.6) else s.paint(), 0.05
    )
    for y in (-0.035, 0.035):
        it.box((0, y, h), (0.2, 0.026, 0.008), s.dark(), 0.003)
    it.box((0.5 * w, 0, 0.12), (0.03, 0.05, 0.02), s.dark())
    return Piece([it], w, d, h)
