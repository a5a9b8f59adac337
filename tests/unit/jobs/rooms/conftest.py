"""One building, planned once: its rooms, views and what some views see."""

from dataclasses import dataclass

import pytest

from taskonomy_jobs.rooms.building import plan_building
from taskonomy_jobs.rooms.render import Geometry, see
from taskonomy_jobs.rooms.scene import Scene
from taskonomy_jobs.rooms.settings import RoomsSettings
from taskonomy_jobs.rooms.views import View
from taskonomy_jobs.rooms.world import Room


@dataclass(frozen=True)
class Building:
    rooms: list[Room]
    views: list[View]

    def scene(self, view: View) -> Scene:
        return self.rooms[view.point.room].scene

    def few(self, step: int) -> list[View]:
        return self.views[::step]


@pytest.fixture(scope="session")
def building() -> Building:
    """150 views of the six types of room."""
    settings = RoomsSettings(buildings=3, views=150, size=64, seed=11)
    return Building(*plan_building(settings, 0))


@pytest.fixture(scope="session")
def seen(building: Building) -> list[tuple[View, Scene, Geometry]]:
    """The exact geometry of one view in nine, 64 pixels."""
    return [
        (view, building.scene(view), see(building.scene(view), view.camera, 64))
        for view in building.few(9)
    ]
