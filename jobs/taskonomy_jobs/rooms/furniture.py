"""Pieces that people sit, lie, eat, work and keep things on: each draws its own proportions."""

import math

from taskonomy_jobs.rooms.camera import rotation_about_x, rotation_about_z
from taskonomy_jobs.rooms.parts import Piece, Thing
from taskonomy_jobs.rooms.style import Style


def chair(s: Style) -> Piece:
    """Four legs, a seat and a back of slats or a board; sometimes round."""
    w, d, seat = s.between(0.4, 0.5), s.between(0.4, 0.48), s.between(0.42, 0.48)
    tall = s.between(0.8, 1.0)
    frame = s.wood() if s.chance(0.6) else s.metal()
    cushion = frame if s.chance(0.4) else s.fabric()
    it = Thing("chair").legs(w, d, seat, 0.04, frame)
    if s.chance(0.25):
        it.cylinder((0, 0, seat), 0.48 * w, 0.05, cushion)
    else:
        it.box((0, 0, seat), (w, d, 0.05), cushion, 0.02)
    back = -0.5 * d + 0.025
    if s.chance(0.5):
        middle = 0.5 * (seat + 0.12 + tall)
        it.box((0, back, middle), (0.9 * w, 0.035, tall - seat - 0.12), cushion, 0.016)
    else:
        for x in (-0.3, 0.0, 0.3):
            it.box((x * w, back, 0.5 * (seat + tall)), (0.035, 0.025, tall - seat), frame, 0.01)
        it.box((0, back, tall), (0.9 * w, 0.035, 0.07), frame, 0.016)
    return Piece([it], w, d, tall)


def office_chair(s: Style) -> Piece:
    """A seat and a back on a column with five feet."""
    w, seat = s.between(0.46, 0.54), s.between(0.44, 0.52)
    cloth, metal = s.fabric(0.1), s.dark()
    it = Thing("chair").cylinder((0, 0, 0.5 * seat), 0.03, seat - 0.1, metal)
    for leg in range(5):
        angle = 0.4 * math.pi * leg
        x, y = 0.15 * math.cos(angle), 0.15 * math.sin(angle)
        it.turned_box((x, y, 0.06), (0.3, 0.04, 0.03), rotation_about_z(angle), metal)
        it.ball((2 * x * 0.93, 2 * y * 0.93, 0.03), 0.03, metal)
    it.box((0, 0, seat), (w, w, 0.08), cloth, 0.035)
    tilt = rotation_about_x(-0.15)
    it.turned_box((0, -0.5 * w, seat + 0.36), (0.9 * w, 0.06, 0.56), tilt, cloth, 0.027)
    for x in (-0.5, 0.5):
        it.box((x * w, 0.0, seat + 0.2), (0.05, 0.26, 0.04), metal)
    return Piece([it], w + 0.12, w + 0.14, seat + 0.65)


def stool(s: Style) -> Piece:
    """A round seat on a column with a foot ring, or on legs."""
    r, h = s.between(0.16, 0.21), s.between(0.42, 0.72)
    frame = s.metal() if s.chance(0.5) else s.wood()
    it = Thing("stool").cylinder((0, 0, h), r, 0.06, s.fabric() if s.chance(0.5) else frame)
    if s.chance(0.5):
        it.cylinder((0, 0, 0.5 * h), 0.025, h, frame).cylinder((0, 0, 0.015), r, 0.03, frame)
        it.ring((0, 0, 0.3 * h), 0.6 * r, 0.014, frame)
    else:
        it.legs(1.5 * r, 1.5 * r, h, 0.035, frame)
    return Piece([it], 2 * r, 2 * r, h)


def couch(s: Style) -> Piece:
    """A plump seat for two to four with arms, a back and cushions."""
    w, d = s.between(1.3, 2.4), s.between(0.78, 0.95)
    cloth, seat, arm = s.fabric(0.2), s.between(0.38, 0.45), s.between(0.14, 0.24)
    tall, soft = s.between(0.72, 0.92), s.between(0.04, 0.09)
    it = Thing("couch").box((0, 0, 0.5 * seat - 0.08), (w, d, seat - 0.16), cloth, soft * 0.6)
    it.box((0, -0.5 * d + 0.11, 0.5 * tall), (w, 0.22, tall - 0.06), cloth, soft)
    for x in (-0.5, 0.5):
        centre = (x * (w - arm), 0.0, 0.31)
        it.box(centre, (arm, d, 0.56), cloth, min(soft * 1.3, 0.49 * arm))
    count = 2 if w < 1.8 else 3
    inner = (w - 2 * arm) / count
    for i in range(count):
        x = (i - 0.5 * (count - 1)) * inner
        it.box((x, 0.08, seat - 0.03), (inner - 0.01, d - 0.2, 0.17), cloth, soft)
    if s.chance(0.7):
        tilt = rotation_about_x(-0.35)
        pillow = s.fabric(0.7)
        for x in (-0.3, 0.28) if s.chance(0.5) else (0.25,):
            place = (x * w, -0.5 * d + 0.33, seat + 0.24)
            it.turned_box(place, (0.42, 0.14, 0.38), tilt, pillow, 0.06)
    return Piece([it], w, d, tall)


def armchair(s: Style) -> Piece:
    """A couch for one."""
    w, d = s.between(0.75, 0.95), s.between(0.75, 0.9)
    cloth, soft = s.fabric(0.3), s.between(0.05, 0.1)
    it = Thing("couch").box((0, 0.04, 0.24), (w - 0.3, d - 0.1, 0.36), cloth, soft)
    it.box((0, -0.5 * d + 0.12, 0.45), (w, 0.24, 0.84), cloth, soft)
    for x in (-0.5, 0.5):
        it.box((x * (w - 0.17), 0.03, 0.31), (0.17, d - 0.06, 0.58), cloth, min(soft, 0.08))
    return Piece([it], w, d, 0.87)


def bed(s: Style) -> Piece:
    """A frame, a mattress, a blanket and pillows; the head stands at the wall."""
    w, d, low = s.between(0.95, 1.9), s.between(1.95, 2.1), s.between(0.22, 0.34)
    frame = s.wood() if s.chance(0.7) else s.fabric(0.1)
    it = Thing("bed").box((0, 0, low - 0.06), (w, d, 0.18), frame, 0.02)
    it.legs(w, d, low - 0.1, 0.08, frame)
    head = s.between(0.75, 1.15)
    it.box((0, -0.5 * d + 0.03, 0.5 * head), (w + 0.06, 0.06, head), frame, 0.028)
    it.box((0, 0.03, low + 0.13), (w - 0.04, d - 0.1, 0.22), s.ceramic(), 0.07)
    it.box((0, 0.22, low + 0.17), (w + 0.02, d - 0.62, 0.2), s.fabric(0.6), 0.06)
    pillow = s.fabric(0.3) if s.chance(0.5) else s.ceramic()
    for x in (-0.25, 0.25) if w > 1.3 else (0.0,):
        tilt = rotation_about_x(-s.between(0.15, 0.5))
        place = (x * w, -0.5 * d + 0.32, low + 0.33)
        it.turned_box(place, (0.55, 0.36, 0.15), tilt, pillow, 0.065)
    return Piece([it], w + 0.06, d, head)


def dining_table(s: Style) -> Piece:
    """Round on a column, or oblong on legs."""
    h, wood = s.between(0.7, 0.78), s.wood() if s.chance(0.7) else s.paint()
    if s.chance(0.4):
        r = s.between(0.4, 0.62)
        it = Thing("dining table").cylinder((0, 0, h - 0.02), r, 0.04, wood)
        it.cylinder((0, 0, 0.5 * h), 0.05, h - 0.04, wood).cylinder(
            (0, 0, 0.02), 0.5 * r, 0.04, wood
        )
        return Piece([it], 2 * r, 2 * r, h, (1.3 * r, 1.3 * r, h))
    w, d = s.between(1.0, 1.7), s.between(0.7, 0.95)
    it = Thing("dining table").box((0, 0, h - 0.025), (w, d, 0.05), wood, 0.015)
    it.legs(w, d, h - 0.05, s.between(0.05, 0.09), wood)
    return Piece([it], w, d, h, (w - 0.15, d - 0.15, h))


def coffee_table(s: Style) -> Piece:
    """Low, round or oblong, with a shelf under the top now and then."""
    h, wood = s.between(0.32, 0.48), s.wood()
    if s.chance(0.35):
        r = s.between(0.3, 0.45)
        it = Thing("coffee table").cylinder((0, 0, h - 0.02), r, 0.04, wood)
        it.legs(1.2 * r, 1.2 * r, h - 0.04, 0.04, s.metal())
        return Piece([it], 2 * r, 2 * r, h, (1.2 * r, 1.2 * r, h))
    w, d = s.between(0.7, 1.2), s.between(0.45, 0.65)
    it = Thing("coffee table").box((0, 0, h - 0.02), (w, d, 0.04), wood, 0.015)
    it.legs(w, d, h - 0.04, 0.055, wood)
    if s.chance(0.5):
        it.box((0, 0, 0.13), (w - 0.12, d - 0.12, 0.025), wood, 0.01)
    return Piece([it], w, d, h, (w - 0.15, d - 0.15, h))


def desk(s: Style) -> Piece:
    """A top on two sides or four legs, a block of drawers on one side."""
    w, d, h = s.between(1.1, 1.7), s.between(0.58, 0.78), s.between(0.7, 0.76)
    wood = s.wood() if s.chance(0.65) else s.paint()
    it = Thing("desk").box((0, 0, h - 0.015), (w, d, 0.03), wood, 0.012)
    it.legs(w, d, h - 0.03, 0.05, s.metal() if s.chance(0.5) else wood)
    if w > 1.4 and s.chance(0.8):
        side = 1 if s.chance(0.5) else -1
        it.box((side * (0.5 * w - 0.25), 0, 0.36), (0.34, d - 0.1, 0.58), wood, 0.012)
        for z in (0.2, 0.38, 0.56):
            it.box((side * (0.5 * w - 0.25), 0.5 * d - 0.04, z), (0.14, 0.03, 0.02), s.metal())
    return Piece([it], w, d, h, (w - 0.2, d - 0.2, h))


def bookcase(s: Style) -> Piece:
    """Boards between two sides, with rows of books."""
    w, d, h = s.between(0.6, 1.2), s.between(0.26, 0.36), s.between(1.1, 2.1)
    wood = s.wood() if s.chance(0.7) else s.paint()
    it, books = Thing("bookcase"), Thing("book")
    it.box((0, -0.5 * d + 0.01, 0.5 * h), (w, 0.02, h), wood, 0.005)
    for x in (-0.5, 0.5):
        it.box((x * (w - 0.025), 0, 0.5 * h), (0.025, d, h), wood, 0.008)
    levels = max(3, round(h / 0.36))
    gap = (h - 0.03) / (levels - 1)
    for level in range(levels):
        z = 0.015 + level * gap
        it.box((0, 0, z), (w - 0.05, d, 0.025), wood, 0.008)
        if level < levels - 1 and s.chance(0.8):
            long, high = s.between(0.35, 0.95) * (w - 0.08), s.between(0.55, 0.85) * gap
            x = s.between(-1.0, 1.0) * 0.5 * (w - 0.08 - long)
            books.box((x, 0.01, z + 0.015 + 0.5 * high), (long, 0.7 * d, high), s.spines(), 0.005)
    return Piece([it, books] if books.parts else [it], w, d, h)


def wardrobe(s: Style) -> Piece:
    """A tall cupboard with doors and knobs or bars."""
    w, d, h = s.between(0.9, 1.8), s.between(0.5, 0.62), s.between(1.8, 2.15)
    body = s.wood() if s.chance(0.6) else s.paint()
    it = Thing("wardrobe").box((0, -0.01, 0.5 * h), (w, d - 0.02, h), body, 0.015)
    count, grip = (2 if w < 1.3 else 3), s.metal()
    leaf = w / count
    for i in range(count):
        x = (i - 0.5 * (count - 1)) * leaf
        it.box((x, 0.5 * d - 0.02, 0.5 * h), (leaf - 0.025, 0.03, h - 0.1), body, 0.012)
        it.cylinder((x + 0.38 * leaf, 0.5 * d, 0.5 * h), 0.012, 0.25, grip)
    return Piece([it], w, d + 0.02, h)


def cabinet(s: Style) -> Piece:
    """A chest of drawers or a sideboard with knobs."""
    w, d, h = s.between(0.6, 1.5), s.between(0.36, 0.5), s.between(0.5, 1.0)
    body, grip = (s.wood() if s.chance(0.65) else s.paint()), s.metal()
    it = Thing("cabinet").box((0, -0.01, 0.5 * h + 0.03), (w, d - 0.04, h - 0.06), body, 0.015)
    rows, columns = max(2, round(h / 0.26)), 1 if w < 0.9 else 2
    for row in range(rows):
        z = 0.06 + (row + 0.5) * (h - 0.08) / rows
        for column in range(columns):
            x = (column + 0.5 - 0.5 * columns) * (w / columns)
            size = (w / columns - 0.03, 0.02, (h - 0.08) / rows - 0.025)
            it.box((x, 0.5 * d - 0.02, z), size, body, 0.009)
            it.ball((x, 0.5 * d, z), 0.018, grip)
    return Piece([it], w, d + 0.02, h, (w - 0.15, d - 0.15, h))


def nightstand(s: Style) -> Piece:
    """A small cabinet beside a bed."""
    w, d, h = s.between(0.36, 0.5), s.between(0.34, 0.42), s.between(0.42, 0.6)
    body = s.wood() if s.chance(0.7) else s.paint()
    it = Thing("nightstand").box((0, 0, 0.62 * h), (w, d, 0.7 * h), body, 0.015)
    it.legs(w, d, 0.3 * h, 0.04, body).ball((0, 0.5 * d, 0.65 * h), 0.018, s.metal())
    return Piece([it], w, d + 0.03, 0.97 * h, (w - 0.12, d - 0.12, 0.97 * h))


def bench(s: Style) -> Piece:
    """A long low seat."""
    w, d, h = s.between(0.8, 1.4), s.between(0.3, 0.42), s.between(0.4, 0.5)
    wood = s.wood()
    it = Thing("bench").box((0, 0, h - 0.03), (w, d, 0.06), s.fabric() if s.chance(0.4) else wood)
    it.legs(w, d, h - 0.06, 0.06, wood)
    return Piece([it], w, d, h)
