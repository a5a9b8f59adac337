"""Small things and things on walls, floors and ceilings."""

import math

from taskonomy_jobs.rooms.camera import rotation_about_x, rotation_about_y, rotation_about_z
from taskonomy_jobs.rooms.parts import ALONG_Y, Piece, Thing
from taskonomy_jobs.rooms.style import Style


def bottle(s: Style) -> Piece:
    """A cylinder, a shoulder, a neck."""
    r, h = s.between(0.032, 0.05), s.between(0.2, 0.32)
    glass = s.paint() if s.chance(0.6) else s.dark()
    it = Thing("bottle").cylinder((0, 0, 0.33 * h), r, 0.66 * h, glass)
    it.ball((0, 0, 0.66 * h), r, glass).cylinder((0, 0, 0.85 * h), 0.36 * r, 0.3 * h, glass)
    return Piece([it], 2 * r, 2 * r, h)


def vase(s: Style) -> Piece:
    """A belly, a neck with a lip; some hold twigs."""
    r, glaze = s.between(0.06, 0.11), s.paint()
    it = Thing("vase").ball((0, 0, 0.92 * r), r, glaze)
    it.cylinder((0, 0, 2.2 * r), 0.45 * r, 1.2 * r, glaze)
    it.ring((0, 0, 2.8 * r), 0.45 * r, 0.14 * r, glaze)
    if s.chance(0.4):
        twig = s.leaf()
        for side in (-1, 1):
            turn = rotation_about_y(0.3 * side)
            it.cylinder((0.06 * side, 0, 4.2 * r), 0.006, 3.4 * r, twig, turn)
            it.ball((0.12 * side, 0, 5.8 * r), 0.035, twig)
    return Piece([it], 2 * r, 2 * r, 3 * r)


def books(s: Style) -> Piece:
    """A small pile, each turned a little."""
    it, z = Thing("book"), 0.0
    for _ in range(int(s.rng.integers(1, 5))):
        thick = s.between(0.02, 0.05)
        turn = rotation_about_z(s.between(-0.3, 0.3))
        it.turned_box((0, 0, z + 0.5 * thick), (0.24, 0.17, thick), turn, s.paint(), 0.006)
        z += thick
    return Piece([it], 0.26, 0.22, z)


def potted_plant(s: Style) -> Piece:
    """A pot and leaves: a bush of balls, or long blades; on the floor or small."""
    r = s.between(0.11, 0.19)
    leaf, it = s.leaf(), Thing("potted plant")
    it.cylinder((0, 0, r), r, 2 * r, s.paint() if s.chance(0.6) else s.ceramic())
    it.ring((0, 0, 2 * r), r, 0.12 * r, s.paint())
    if s.chance(0.6):
        for i in range(int(s.rng.integers(5, 9))):
            angle, out = i * 2.4, s.between(0.1, 0.95) * r
            height = s.between(2.6, 4.6) * r
            place = (out * math.cos(angle), out * math.sin(angle), height)
            it.ball(place, s.between(0.4, 0.75) * r, leaf)
        it.cylinder((0, 0, 2.6 * r), 0.1 * r, 1.6 * r, s.wood())
        return Piece([it], 2.6 * r, 2.6 * r, 5.2 * r)
    for i in range(7):
        angle, long = i * 0.9, s.between(2.2, 4.0) * r
        turn = rotation_about_z(angle) @ rotation_about_y(s.between(0.1, 0.4))
        centre = turn @ (0.0, 0.0, 0.5 * long)
        place = (float(centre[0]), float(centre[1]), float(centre[2]) + 2 * r)
        it.turned_box(place, (0.02, 0.32 * r, long), turn, leaf, 0.009)
    return Piece([it], 2.8 * r, 2.8 * r, 6 * r)


def table_lamp(s: Style) -> Piece:
    """A foot, a stem and a glowing shade."""
    h, shade, metal = s.between(0.35, 0.5), s.glowing(s.between(0.3, 1.0)), s.metal()
    it = Thing("lamp").cylinder((0, 0, 0.012), 0.08, 0.024, metal)
    it.cylinder((0, 0, 0.4 * h), 0.012, 0.8 * h, metal)
    if s.chance(0.5):
        it.cylinder((0, 0, 0.82 * h), 0.12, 0.36 * h, shade)
    else:
        it.ball((0, 0, 0.8 * h), 0.11, shade)
    return Piece([it], 0.24, 0.24, h)


def floor_lamp(s: Style) -> Piece:
    """A tall stem with a shade."""
    h, metal = s.between(1.4, 1.75), s.metal()
    it = Thing("lamp").cylinder((0, 0, 0.015), 0.14, 0.03, metal)
    it.cylinder((0, 0, 0.5 * h), 0.015, h, metal)
    it.cylinder((0, 0, h - 0.05), s.between(0.15, 0.22), 0.3, s.glowing(s.between(0.3, 1.0)))
    return Piece([it], 0.44, 0.44, h + 0.1)


def ceiling_lamp(s: Style) -> Piece:
    """Hangs with its top at z = 0: a flat disc, a ball on a cord, or a ring."""
    glow, metal = s.glowing(s.between(0.5, 1.1)), s.metal()
    pick, it = s.rng.random(), Thing("lamp")
    if pick < 0.4:
        it.cylinder((0, 0, -0.05), s.between(0.16, 0.28), 0.1, glow)
        return Piece([it], 0.5, 0.5, 0.1)
    drop = s.between(0.35, 0.6)
    it.cylinder((0, 0, -0.5 * drop), 0.008, drop, metal)
    if pick < 0.75:
        it.ball((0, 0, -drop - 0.1), s.between(0.12, 0.19), glow)
    else:
        it.ring((0, 0, -drop), s.between(0.18, 0.26), 0.035, glow)
        it.ball((0, 0, -drop), 0.05, metal)
    return Piece([it], 0.5, 0.5, drop + 0.25)


def laptop(s: Style) -> Piece:
    """Open, its lid leaning back."""
    body, tilt = s.metal(), rotation_about_x(-s.between(0.15, 0.5))
    it = Thing("laptop").box((0, 0.04, 0.01), (0.34, 0.23, 0.02), body, 0.008)
    it.turned_box((0, -0.13, 0.12), (0.34, 0.016, 0.23), tilt, body, 0.006)
    it.turned_box((0, -0.121, 0.12), (0.31, 0.01, 0.2), tilt, s.screen(), 0.004)
    return Piece([it], 0.36, 0.34, 0.24)


def television(s: Style) -> Piece:
    """A flat screen on a foot."""
    w = s.between(0.7, 1.25)
    h, dark = 0.57 * w, s.dark()
    it = Thing("tv").box((0, 0, 0.08 + 0.5 * h), (w, 0.05, h), dark, 0.012)
    it.box((0, 0.022, 0.08 + 0.5 * h), (0.95 * w, 0.012, 0.92 * h), s.screen(), 0.004)
    it.box((0, 0, 0.012), (0.4 * w, 0.2, 0.024), dark).cylinder((0, 0, 0.06), 0.03, 0.12, dark)
    return Piece([it], w, 0.22, h + 0.08)


def monitor(s: Style) -> Piece:
    """A small television for a desk."""
    w, dark = s.between(0.45, 0.62), s.dark()
    h = 0.6 * w
    it = Thing("tv").box((0, 0, 0.12 + 0.5 * h), (w, 0.035, h), dark, 0.01)
    it.box((0, 0.015, 0.12 + 0.5 * h), (0.94 * w, 0.012, 0.9 * h), s.screen(), 0.004)
    it.cylinder((0, 0, 0.07), 0.02, 0.14, dark).cylinder((0, 0, 0.01), 0.1, 0.02, dark)
    return Piece([it], w, 0.2, h + 0.12)


def picture(s: Style) -> Piece:
    """A frame around a painting; hangs with its lower edge at z = 0."""
    w, h = s.between(0.3, 1.0), s.between(0.3, 0.8)
    it = Thing("picture").box((0, 0.015, 0.5 * h), (w, 0.03, h), s.wood(), 0.01)
    it.box((0, 0.028, 0.5 * h), (w - 0.07, 0.012, h - 0.07), s.painting(), 0.003)
    return Piece([it], w, 0.05, h)


def mirror(s: Style) -> Piece:
    """Bright flat glass in a thin frame, round or square; shows no reflection."""
    if s.chance(0.4):
        r = s.between(0.25, 0.4)
        it = Thing("mirror").cylinder((0, 0.01, r), r, 0.02, s.ceramic(), ALONG_Y)
        it.ring((0, 0.02, r), r, 0.018, s.metal(), ALONG_Y)
        return Piece([it], 2.1 * r, 0.06, 2.1 * r)
    w, h = s.between(0.4, 0.8), s.between(0.5, 0.9)
    it = Thing("mirror").box((0, 0.012, 0.5 * h), (w, 0.025, h), s.wood(), 0.008)
    it.box((0, 0.022, 0.5 * h), (w - 0.05, 0.012, h - 0.05), s.ceramic(), 0.003)
    return Piece([it], w, 0.05, h)


def clock(s: Style) -> Piece:
    """A round face with a rim and hands."""
    r = s.between(0.13, 0.2)
    it = Thing("clock").cylinder((0, 0.015, r), r, 0.03, s.ceramic(), ALONG_Y)
    it.ring((0, 0.025, r), r, 0.018, s.dark() if s.chance(0.5) else s.wood(), ALONG_Y)
    for angle, long in ((s.between(0.0, 6.2), 0.5 * r), (s.between(0.0, 6.2), 0.75 * r)):
        turn = rotation_about_y(angle)
        centre = turn @ (0.0, 0.0, 0.5 * long)
        place = (float(centre[0]), 0.034, r + float(centre[2]))
        it.turned_box(place, (0.018, 0.008, long), turn, s.dark(), 0.002)
    return Piece([it], 2.2 * r, 0.06, 2.2 * r)


def radiator(s: Style) -> Piece:
    """A row of upright tubes."""
    w, h, paint = s.between(0.5, 1.1), s.between(0.5, 0.65), s.ceramic()
    it = Thing("radiator")
    count = round(w / 0.09)
    for i in range(count):
        x = (i + 0.5 - 0.5 * count) * w / count
        it.cylinder((x, 0, 0.12 + 0.5 * h), 0.035, h, paint)
    for z in (0.16, 0.08 + h):
        it.box((0, 0, z), (w, 0.045, 0.05), paint, 0.02)
    return Piece([it], w, 0.12, h + 0.14)


def rug(s: Style) -> Piece:
    """Flat on the floor, oblong or round."""
    cloth, it = s.fabric(0.65), Thing("rug")
    if s.chance(0.3):
        r = s.between(0.5, 0.95)
        it.cylinder((0, 0, 0.007), r, 0.014, cloth)
        return Piece([it], 2 * r, 2 * r, 0.014, walkable=True)
    w, d = s.between(0.9, 2.2), s.between(0.6, 1.5)
    it.box((0, 0, 0.007), (w, d, 0.014), cloth, 0.006)
    return Piece([it], w, d, 0.014, walkable=True)


def basket(s: Style) -> Piece:
    """A round tub with a rim."""
    r, h, weave = s.between(0.16, 0.24), s.between(0.3, 0.55), s.fabric(0.5)
    it = Thing("basket").cylinder((0, 0, 0.5 * h), r, h, weave).ring((0, 0, h), r, 0.025, s.wood())
    return Piece([it], 2 * r + 0.05, 2 * r + 0.05, h + 0.03)


def bin_(s: Style) -> Piece:
    """A bin with a domed lid or an open one."""
    r, h, body = (
        s.between(0.12, 0.17),
        s.between(0.26, 0.5),
        s.metal() if s.chance(0.5) else s.paint(),
    )
    it = Thing("bin").cylinder((0, 0, 0.5 * h), r, h, body)
    if s.chance(0.5):
        it.ball((0, 0, h - 0.55 * r), 1.12 * r, body)
    else:
        it.ring((0, 0, h), r, 0.015, body).cylinder((0, 0, h), 0.93 * r, 0.004, s.dark())
    return Piece([it], 2.2 * r, 2.2 * r, h + 0.6 * r)


def ball(s: Style) -> Piece:
    """A ball on the floor."""
    r = s.between(0.1, 0.2)
    return Piece([Thing("ball").ball((0, 0, r), r, s.fabric(0.8))], 2 * r, 2 * r, 2 * r)


def towel(s: Style) -> Piece:
    """Hangs from a bar with its lower edge at z = 0."""
    w, h = s.between(0.3, 0.5), s.between(0.45, 0.75)
    it = Thing("towel").box((0, 0.05, 0.5 * h), (w, 0.05, h), s.fabric(0.5), 0.022)
    it.cylinder((0, 0.05, h), 0.014, w + 0.14, s.metal(), rotation_about_y(math.pi / 2))
    return Piece([it], w + 0.14, 0.09, h + 0.03)
