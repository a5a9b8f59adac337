"""Small data sets written by hand, file by file, with the published names spelled out here."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from taskonomy_catalogue.tasks import paper_dictionary
from taskonomy_catalogue.trials import TrialData, TrialTask

SIDE = 32

STEMS = {"segment_semantic": "segmentsemantic", "class_scene": "class_places"}
"""What files are called where it is not the folder's name."""


def write_png(path: Path, values: np.ndarray[Any, Any]) -> None:
    """Write uint8 (H, W), (H, W, 3) or uint16 (H, W) values as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def place(root: Path, layout: str, building: str, folder: str, name: str) -> Path:
    """Return where a file belongs in either arrangement."""
    if layout == "taskonomy":
        return root / building / folder / name
    return root / folder / "taskonomy" / building / name


class TinyData:
    """A data set being written."""

    def __init__(self, root: Path, layout: str = "taskonomy") -> None:
        self.root, self.layout = root, layout

    def path(self, building: str, point: int, view: int | str, folder: str, suffix: str) -> Path:
        """Return a file's path by the published naming."""
        stem = STEMS.get(folder, "fixatedpose" if folder == "points" else folder)
        name = f"point_{point}_view_{view}_domain_{stem}.{suffix}"
        return place(self.root, self.layout, building, folder, name)

    def png(
        self, building: str, point: int, view: int, folder: str, values: np.ndarray[Any, Any]
    ) -> Path:
        """Write an image."""
        path = self.path(building, point, view, folder, "png")
        write_png(path, values)
        return path

    def npy(
        self, building: str, point: int, view: int, folder: str, values: Sequence[float]
    ) -> Path:
        """Write a vector."""
        path = self.path(building, point, view, folder, "npy")
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.asarray(values, np.float32))
        return path

    def json(
        self, building: str, point: int, view: int | str, folder: str, content: Mapping[str, Any]
    ) -> Path:
        """Write a JSON object."""
        path = self.path(building, point, view, folder, "json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
        return path

    def views(self, building: str, counts: Mapping[int, int], side: int = SIDE) -> None:
        """Write RGB, depth and cameras of some points, each with so many views."""
        for point, count in counts.items():
            for view in range(count):
                random = np.random.default_rng([len(building), ord(building[-1]), point, view])
                self.png(
                    building, point, view, "rgb", random.integers(0, 256, (side, side, 3), np.uint8)
                )
                depth = random.integers(500, 4000, (side, side), np.uint16)
                self.png(building, point, view, "depth_zbuffer", depth)
                self.json(building, point, view, "points", camera(random))

    def matches(self, building: str, point: int, views: Sequence[tuple[int, int]]) -> None:
        """Write which views of other points see a point: (their point, their number)."""
        seen = [{"point_uuid": str(p), "view_id": v} for p, v in views]
        content = {"point_uuid": str(point), "views": seen}
        self.json(building, point, "all", "nonfixated_matches", content)

    def split(self, name: str, parts: Mapping[str, Sequence[str]]) -> None:
        """Write a split."""
        path = self.root / "splits" / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = ["id,train,val,test"]
        for part, buildings in parts.items():
            flags = ",".join("1" if part == other else "0" for other in ("train", "val", "test"))
            lines += [f"{building},{flags}" for building in buildings]
        path.write_text("\n".join(lines) + "\n")


def camera(random: np.random.Generator) -> dict[str, Any]:
    """Return a camera's JSON with made-up numbers in the published fields."""
    return {
        "camera_location": random.normal(0, 2, 3).tolist(),
        "camera_rotation_final": random.uniform(-1.5, 1.5, 3).tolist(),
        "field_of_view_rads": 1.0,
        "bounding_box_ranges": {key: [-2.0, float(random.uniform(1, 3))] for key in "xyz"},
        "vanishing_points_gaussian_sphere": {
            "x": [1.0, 0.0, 0.0],
            "y": [0.0, 0.0, -1.0],
            "z": [0.0, 1.0, 0.0],
        },
    }


def task(name: str) -> TrialTask:
    """Return one of the paper's tasks."""
    return TrialTask.of(paper_dictionary()[name])


def trial_data(layout: str = "taskonomy", splits: str = "s", fraction: float = 1.0) -> TrialData:
    """Return which data a trial learns from."""
    return TrialData.model_validate(
        {"identity": "tiny", "layout": layout, "splits": splits, "fraction": fraction}
    )
