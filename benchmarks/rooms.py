"""How fast rooms are made: labelled views per second of one process, and where the time goes.

    python benchmarks/rooms.py [--size 64] [--views 120]

Prints JSON. Processor seconds are what counts on a busy machine: two quiet cores make
2 / processor_seconds_per_view. The baseline, in the same run, is writing as many files of the same
pixels as a process can: what no generator can do without. Starting includes compiling.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

from taskonomy_jobs.data.layout import DOMAINS, domain_folder  # noqa: E402
from taskonomy_jobs.rooms import building, labels2d, labels3d  # noqa: E402
from taskonomy_jobs.rooms.light import photograph  # noqa: E402
from taskonomy_jobs.rooms.make import warm_up  # noqa: E402
from taskonomy_jobs.rooms.render import see  # noqa: E402
from taskonomy_jobs.rooms.settings import RoomsSettings  # noqa: E402
from taskonomy_jobs.rooms.views import View  # noqa: E402
from taskonomy_jobs.rooms.world import Room  # noqa: E402


def main() -> None:
    """Time making views, and their parts, and print the figures."""
    options = _options()
    settings = RoomsSettings(buildings=3, views=options.views, size=options.size, seed=1)
    compiling, _ = _seconds(lambda: warm_up(settings))
    with tempfile.TemporaryDirectory() as folder:
        used, passed = _seconds(lambda: list(building.write_building(Path(folder), 0, settings)))
    rooms, views = building.plan_building(settings, 0)
    labels = [building.labelled(rooms[v.point.room].scene, v, options.size) for v in views]
    with tempfile.TemporaryDirectory() as folder:
        writing, _ = _seconds(lambda: _write_all(Path(folder), views, labels))
    figures = {
        "size": options.size,
        "views": options.views,
        "processors": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
        "compile_seconds": round(compiling, 1),
        "views_per_second_of_this_process": round(options.views / passed, 1),
        "processor_seconds_per_view": round(used / options.views, 4),
        "views_per_second_on_two_quiet_cores": round(2 * options.views / used, 1),
        "time_over_that_of_writing_the_files": round(used / writing, 1),
        "milliseconds_per_view": _parts(rooms, views, options.size)
        | {"write": round(1000 * writing / options.views, 2)},
    }
    print(json.dumps(figures, indent=2))


def _parts(rooms: list[Room], views: list[View], size: int) -> dict[str, float]:
    """Processor milliseconds a view of each step."""
    spent: dict[str, float] = {}
    for view in views:
        scene, focal = rooms[view.point.room].scene, view.camera.focal(size)
        geometry, picture = see(scene, view.camera, size), photograph(scene, view.camera, size)
        steps: dict[str, list[Callable[[], object]]] = {
            "geometry": [partial(see, scene, view.camera, size)],
            "picture": [partial(photograph, scene, view.camera, size)],
            "occlusion edges": [partial(labels3d.stored_occlusion, geometry, focal)],
            "3D keypoints": [partial(labels3d.stored_keypoints, geometry, focal)],
            "2D edges and keypoints": [
                partial(labels2d.stored_edges, picture),
                partial(labels2d.stored_keypoints, picture),
            ],
            "superpixels": [
                partial(labels2d.superpixels, picture),
                partial(labels2d.superpixels_with_geometry, picture, geometry),
            ],
        }
        for name, works in steps.items():
            spent[name] = spent.get(name, 0.0) + sum(_seconds(work)[0] for work in works)
    return {name: round(1000 * total / len(views), 2) for name, total in spent.items()}


def _write_all(root: Path, views: list[View], labels: list[building.Labelled]) -> None:
    for domain in DOMAINS.values():
        domain_folder(root, "taskonomy", "all", domain).mkdir(parents=True)
    for view, made in zip(views, labels, strict=True):
        building.write_view(root, "all", view, made)


def _seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Processor seconds and seconds that something takes."""
    used, passed = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - used, time.perf_counter() - passed


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--views", type=int, default=120)
    return parser.parse_args()


if __name__ == "__main__":
    main()
