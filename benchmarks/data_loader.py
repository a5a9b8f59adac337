"""The loader against the decoder alone, on the same files in the same run.

    python benchmarks/data_loader.py [--dataset ROOT --splits NAME] [--size 64] [--views 200]

Images per second of `Examples.example`, everything included (paths, sizes checked, scaling, the
targets and masks), with nothing kept in memory; then Pillow decoding the same files into arrays and
nothing else. `ratio` is the first over the second, the best of the repetitions, which alternate.
`kept` is the loader again with decoded images in memory. Also: the index made and read back, and
the peak memory. Seconds are the process's own (both ways are one thread), so that other work on the
machine disturbs little. Without a data set, one is written, as hard to decode as photographs.
"""

import argparse
import json
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from taskonomy_catalogue.tasks import paper_dictionary
from taskonomy_catalogue.trials import TrialData, TrialTask
from taskonomy_jobs.data.dataset import open_dataset
from taskonomy_jobs.data.examples import Examples, open_examples, statistics
from taskonomy_jobs.data.index import Index

TASKS = (
    "autoencoding",
    "denoising",
    "edges-2d",
    "depth",
    "normals",
    "curvature",
    "occlusion-edges",
    "segmentation-25d",
    "segmentation-semantic",
)
"""One of every way of decoding; pairs share images, colorization and jigsaw compute more."""
COMPUTED = ("colorization", "jigsaw")
REPETITIONS = 5
READ = {
    "edges-2d": ("edge_texture",),
    "depth": ("depth_zbuffer",),
    "normals": ("normal", "depth_zbuffer"),
    "curvature": ("principal_curvature", "depth_zbuffer"),
    "occlusion-edges": ("edge_occlusion", "depth_zbuffer"),
    "segmentation-25d": ("segment_unsup25d", "depth_zbuffer"),
    "segmentation-semantic": ("segment_semantic",),
}
"""Domains that each task's label is decoded from."""


def main() -> None:
    """Time every task and print the figures."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(options.dataset or folder)
        if options.dataset is None:
            _write(root, options.views, options.side)
            options.splits = "bench"
        figures = _figures(root, options)
    print(json.dumps(figures, indent=2))


def _figures(root: Path, options: argparse.Namespace) -> dict[str, Any]:
    tasks = {name: _task_figures(root, name, options) for name in (*TASKS, *COMPUTED)}
    ratios = [tasks[name]["ratio"] for name in TASKS]
    return {
        "processors": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 1),
        "stored": open_dataset(str(root), "taskonomy").side,
        "size": options.size,
        "tasks": tasks,
        "ratio_over_all_decoding_tasks": round(
            sum(1 / tasks[n]["decoder"] for n in TASKS)
            / sum(1 / tasks[n]["loader"] for n in TASKS),
            3,
        ),
        "worst_ratio": min(ratios),
        "index": _index_figures(),
        "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def _task_figures(root: Path, name: str, options: argparse.Namespace) -> dict[str, float]:
    os.environ["TASKONOMY_MEMORY_MIB"] = "0"
    cold, paths = _opened(root, name, options)
    count = min(options.views, len(cold))
    images = count * cold.views.shape[1]

    def load() -> None:
        for index in range(count):
            cold.example(index, 0)

    def decode() -> None:
        for path in paths[: count * (len(paths) // len(cold))]:
            with Image.open(path) as opened:
                np.asarray(opened)

    loader, decoder = _best(load, decode)
    os.environ["TASKONOMY_MEMORY_MIB"] = "4096"
    warm, _ = _opened(root, name, options)

    def again() -> None:
        for index in range(count):
            warm.example(index, 0)

    again()
    kept, _ = _best(again, lambda: None)
    return {
        "loader": round(images / loader),
        "decoder": round(images / decoder),
        "ratio": round(decoder / loader, 3),
        "kept": round(images / kept),
    }


def _opened(root: Path, name: str, options: argparse.Namespace) -> tuple[Examples, list[Path]]:
    open_dataset.cache_clear()
    data = TrialData(identity="bench", layout="taskonomy", splits=options.splits, fraction=1)
    task = TrialTask.of(paper_dictionary()[name])
    examples = open_examples(str(root), data, task, options.size, "train")
    statistics(examples)
    examples.example(0, 0)
    index = open_dataset(str(root), "taskonomy").index
    domains = ("rgb", *READ.get(name, ()))
    paths = [
        index.path(domain, int(row))
        for views in examples.views
        for row in views
        for domain in domains
    ]
    return examples, paths


def _best(*ways: Callable[[], None]) -> list[float]:
    """Return the shortest seconds of each way; they take turns, so that noise falls on all."""
    seconds = [float("inf")] * len(ways)
    for _ in range(REPETITIONS):
        for number, way in enumerate(ways):
            start = time.process_time()
            way()
            seconds[number] = min(seconds[number], time.process_time() - start)
    return seconds


def _index_figures() -> dict[str, float]:
    """Return seconds to list empty files by the hundred thousand, then to read the listing back."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for building in range(10):
            for domain in ("rgb", "normal"):
                here = place / f"b{building}" / domain
                here.mkdir(parents=True)
                for view in range(5_000):
                    name = f"point_{view // 5}_view_{view % 5}_domain_{domain}.png"
                    os.close(os.open(here / name, os.O_CREAT))
                os.utime(here / name, (1, 1))
        time.sleep(2.1)  # a folder changed just now is not kept
        seconds = []
        for _ in range(2):
            start = time.process_time()
            found = Index(place, "taskonomy")
            found.has("normal")
            seconds.append(time.process_time() - start)
    made, read = seconds
    return {
        "files_per_second": round(100_000 / made),
        "read_back_files_per_second": round(100_000 / read),
    }


def _write(root: Path, views: int, side: int) -> None:
    """Write a data set: smooth shapes with a little noise, as photographs and renderings are."""
    random = np.random.default_rng(0)
    (root / "splits").mkdir(parents=True)
    (root / "splits" / "bench.csv").write_text("id,train,val,test\nb,1,0,0\n")
    for view in range(views):
        for domain in ("rgb", "normal", "principal_curvature"):
            planes = [_shapes(random, side, 255, 4 if domain == "rgb" else 0) for _ in range(3)]
            _save(root, view, domain, np.stack(planes, -1).astype(np.uint8))
        for domain in ("depth_zbuffer", "edge_texture", "edge_occlusion"):
            _save(root, view, domain, _shapes(random, side, 6_000, 6).astype(np.uint16))
        for domain in ("segment_unsup25d", "segment_semantic"):
            ids = _shapes(random, side, 17, 0).astype(np.uint8)
            _save(root, view, domain, ids)
        pose = {
            "camera_location": random.normal(size=3).tolist(),
            "camera_rotation_final": random.normal(size=3).tolist(),
        }
        path = root / "b" / "points" / f"point_{view // 4}_view_{view % 4}_domain_fixatedpose.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(pose))


def _shapes(random: np.random.Generator, side: int, largest: float, noise: float) -> Any:
    y, x = np.mgrid[:side, :side] / side
    values = np.zeros((side, side))
    for _ in range(12):
        a, b, c = random.normal(size=3)
        values = np.where(a * x + b * y > c / 3, values + random.random(), values + x * a / 9)
    values = (values - values.min()) / max(float(np.ptp(values)), 1e-9) * largest
    return np.clip(values + random.normal(0, noise, values.shape), 0, largest)


def _save(root: Path, view: int, domain: str, values: Any) -> None:
    stem = "segmentsemantic" if domain == "segment_semantic" else domain
    path = root / "b" / domain / f"point_{view // 4}_view_{view % 4}_domain_{stem}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", help="a data set in the taskonomy layout; else one is written")
    parser.add_argument("--splits", default="rooms", help="its split")
    parser.add_argument("--size", type=int, default=256, help="side that the network sees, pixels")
    parser.add_argument("--side", type=int, default=512, help="side of the images written, pixels")
    parser.add_argument("--views", type=int, default=40, help="views measured, and written")
    return parser.parse_args()


if __name__ == "__main__":
    main()
