"""What a room of each type holds: the typical pieces, some always, some by chance."""

import math
from collections.abc import Callable

from taskonomy_jobs.rooms.appliances import (
    bathtub,
    extractor_hood,
    kitchen_counter,
    microwave,
    oven,
    refrigerator,
    sink_unit,
    toaster,
    toilet,
    wall_cupboard,
    washbasin,
    washing_machine,
)
from taskonomy_jobs.rooms.decoration import (
    ball,
    basket,
    bin_,
    books,
    bottle,
    clock,
    floor_lamp,
    laptop,
    mirror,
    monitor,
    picture,
    potted_plant,
    radiator,
    rug,
    table_lamp,
    television,
    towel,
    vase,
)
from taskonomy_jobs.rooms.furniture import (
    armchair,
    bed,
    bench,
    bookcase,
    cabinet,
    chair,
    coffee_table,
    couch,
    desk,
    dining_table,
    nightstand,
    office_chair,
    stool,
    wardrobe,
)
from taskonomy_jobs.rooms.kinds import RoomKind
from taskonomy_jobs.rooms.parts import Piece, Placed
from taskonomy_jobs.rooms.plan import Make, Plan

SIZES: dict[RoomKind, tuple[tuple[float, float], tuple[float, float]]] = {
    "bathroom": ((2.3, 3.3), (2.0, 2.9)),
    "bedroom": ((3.1, 4.8), (3.0, 4.3)),
    "corridor": ((5.0, 9.0), (1.5, 2.2)),
    "kitchen": ((3.0, 4.8), (2.7, 4.2)),
    "living room": ((4.2, 6.8), (3.6, 5.5)),
    "office": ((3.0, 5.8), (2.8, 4.5)),
}
"""Range of the longer and of the shorter side, metres."""


def furnish(plan: Plan, kind: RoomKind) -> None:
    """Fill a room of a type, the large pieces first."""
    FURNISH[kind](plan)


def _some(plan: Plan, most: int, probability: float) -> range:
    return range(sum(plan.style.chance(probability) for _ in range(most)))


def _standing(plan: Plan, piece: Piece | None) -> tuple[Placed, Piece] | None:
    """The first thing of a piece that was just placed."""
    return (plan.placed[-len(piece.things)], piece) if piece else None


def _with_tops(plan: Plan, piece: Piece | None, makes: tuple[Make, ...], most: int) -> None:
    host = _standing(plan, piece)
    if host:
        for _ in _some(plan, most, 0.65):
            plan.on_top(*host, makes[int(plan.rng.integers(len(makes)))])


def _hang(plan: Plan, makes: tuple[Make, ...], most: int, low: float = 1.25) -> None:
    for _ in _some(plan, most, 0.7):
        make = makes[int(plan.rng.integers(len(makes)))]
        plan.at_wall(make, bottom=plan.style.between(low, low + 0.3))


def _seats(plan: Plan, host: tuple[Placed, Piece], make: Make, sides: tuple[float, ...]) -> None:
    for turn in sides:
        if plan.style.chance(0.8):
            plan.beside(*host, make, turn=turn)


def _kitchen(plan: Plan) -> None:
    s = plan.style
    plan.in_corner(refrigerator)
    cooker = _standing(plan, plan.at_wall(oven))
    if cooker and s.chance(0.6):
        _above(plan, cooker, extractor_hood, s.between(1.5, 1.65))
    plan.at_wall(sink_unit)
    for _ in range(2):
        counter = plan.at_wall(kitchen_counter)
        _with_tops(plan, counter, (microwave, toaster, bottle, bottle, vase, books), 3)
    for _ in _some(plan, 3, 0.7):
        plan.at_wall(wall_cupboard, bottom=s.between(1.45, 1.55))
    table = _standing(plan, plan.in_the_open(dining_table, 0.6) if s.chance(0.75) else None)
    if table:
        _seats(plan, table, chair, (0.0, math.pi, 0.5 * math.pi, -0.5 * math.pi))
        for _ in _some(plan, 3, 0.6):
            plan.on_top(*table, (bottle, vase, bottle)[int(plan.rng.integers(3))])
    for make in (bin_, stool, potted_plant):
        if s.chance(0.4):
            plan.at_wall(make)
    _hang(plan, (clock, picture, towel), 2, 1.4)


def _above(plan: Plan, host: tuple[Placed, Piece], make: Make, bottom: float) -> None:
    """Hang a piece over one that stands at a wall."""
    at, piece = host
    over = make(plan.style)
    back = 0.5 * (piece.depth - over.depth)
    x, y = at.at[0] + back * math.sin(at.yaw), at.at[1] - back * math.cos(at.yaw)
    side = {0: "south", 1: "east", 2: "north", 3: "west"}[round(at.yaw / (0.5 * math.pi)) % 4]
    plan.fix(over, x, y, bottom, side)


def _bedroom(plan: Plan) -> None:
    s = plan.style
    place = _standing(plan, plan.at_wall(bed) or plan.at_wall(bed))
    if place:
        at, piece = place
        for side in (-1, 1):
            stand = nightstand(s)
            out = side * (0.5 * piece.width + 0.5 * stand.width + 0.06)
            back = 0.5 * (piece.depth - stand.depth)
            c, n = math.cos(at.yaw), math.sin(at.yaw)
            x, y = at.at[0] + c * out + n * back, at.at[1] + n * out - c * back
            if plan.fits(stand, x, y, at.yaw) and s.chance(0.85):
                _with_tops(plan, stand, (table_lamp, books, vase), 2)
    plan.in_corner(wardrobe)
    for make, chance in ((cabinet, 0.6), (desk, 0.3), (bookcase, 0.3), (armchair, 0.3)):
        if s.chance(chance):
            _with_tops(plan, plan.at_wall(make), (television, vase, books, table_lamp), 2)
    if s.chance(0.6):
        plan.in_the_open(rug)
    for make in (chair, potted_plant, basket, radiator, floor_lamp, ball):
        if s.chance(0.35):
            plan.at_wall(make)
    _hang(plan, (picture, picture, mirror, clock), 4)


def _bathroom(plan: Plan) -> None:
    s = plan.style
    if s.chance(0.7):
        plan.in_corner(bathtub)
    basin = _standing(plan, plan.at_wall(washbasin))
    if basin:
        _above(plan, basin, mirror, s.between(1.2, 1.35))
    plan.at_wall(toilet)
    if s.chance(0.5):
        _with_tops(plan, plan.at_wall(washing_machine), (bottle, bottle, vase), 3)
    if s.chance(0.4):
        _with_tops(plan, plan.at_wall(cabinet), (bottle, bottle, vase), 3)
    for make in (basket, bin_, stool, potted_plant, radiator):
        if s.chance(0.4):
            plan.at_wall(make)
    if s.chance(0.6):
        plan.in_the_open(rug)
    _hang(plan, (towel, towel, picture), 3, 1.0)


def _office(plan: Plan) -> None:
    s = plan.style
    for _ in range(1 + (plan.room[1] - plan.room[0] > 3.8) + s.chance(0.4)):
        place = _standing(plan, plan.at_wall(desk))
        if place:
            plan.beside(*place, office_chair if s.chance(0.8) else chair, turn=0.0)
            plan.on_top(*place, monitor if s.chance(0.7) else laptop)
            for _ in _some(plan, 3, 0.6):
                pick = (books, table_lamp, bottle, laptop, vase)[int(plan.rng.integers(5))]
                plan.on_top(*place, pick)
    for make in (bookcase, cabinet, bookcase):
        if s.chance(0.6):
            _with_tops(plan, plan.at_wall(make), (books, vase, potted_plant), 2)
    if s.chance(0.35):
        table = _standing(plan, plan.in_the_open(dining_table, 0.5))
        if table:
            _seats(plan, table, chair, (0.0, math.pi))
            plan.on_top(*table, laptop)
    for make in (bin_, potted_plant, floor_lamp, radiator, chair):
        if s.chance(0.5):
            plan.at_wall(make)
    if s.chance(0.35):
        plan.in_the_open(rug)
    _hang(plan, (picture, clock, picture), 3)


def _corridor(plan: Plan) -> None:
    s = plan.style
    for make, chance in ((bench, 0.6), (cabinet, 0.6), (bookcase, 0.35), (wardrobe, 0.3)):
        if s.chance(chance):
            _with_tops(plan, plan.at_wall(make), (vase, table_lamp, books, bottle), 2)
    for make in (potted_plant, basket, stool, radiator, bin_, chair, potted_plant):
        if s.chance(0.4):
            plan.at_wall(make)
    for _ in _some(plan, 2, 0.6):
        plan.in_the_open(rug)
    _hang(plan, (picture, picture, mirror, clock), 6)


def _living_room(plan: Plan) -> None:
    s = plan.style
    sofa = _standing(plan, plan.at_wall(couch) or plan.at_wall(couch))
    if sofa and s.chance(0.85):
        at, piece = sofa
        low = coffee_table(s)
        out = 0.5 * piece.depth + 0.5 * low.depth + s.between(0.3, 0.5)
        x, y = at.at[0] - out * math.sin(at.yaw), at.at[1] + out * math.cos(at.yaw)
        if plan.fits(low, x, y, at.yaw):
            _with_tops(plan, low, (books, vase, bottle), 3)
    stand = plan.at_wall(cabinet)
    _with_tops(plan, stand, (television, television, vase), 3)
    for make, chance in ((bookcase, 0.6), (armchair, 0.6), (bookcase, 0.3), (cabinet, 0.3)):
        if s.chance(chance):
            plan.at_wall(make)
    if s.chance(0.5):
        table = _standing(plan, plan.in_the_open(dining_table, 0.55))
        if table:
            _seats(plan, table, chair, (0.0, math.pi, 0.5 * math.pi, -0.5 * math.pi))
            plan.on_top(*table, vase)
    for _ in _some(plan, 2, 0.6):
        plan.in_the_open(rug)
    for make in (floor_lamp, potted_plant, potted_plant, radiator, basket, ball, stool):
        if s.chance(0.45):
            plan.at_wall(make)
    _hang(plan, (picture, picture, clock, mirror), 5)


FURNISH: dict[RoomKind, Callable[[Plan], None]] = {
    "bathroom": _bathroom,
    "bedroom": _bedroom,
    "corridor": _corridor,
    "kitchen": _kitchen,
    "living room": _living_room,
    "office": _office,
}
