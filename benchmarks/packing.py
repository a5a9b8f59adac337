"""Transfers in packs against one process a transfer, start-up included.

    python benchmarks/packing.py [--dataset ROOT --splits NAME] [--sources 8] [--steps 30]

The sources' networks are trained first (a few steps: it does not matter how well) and their
representations are there for both. Then the same transfers to one target run as one pack in one
process, and one after another in a process each. `ratio` is transfers per second of the first over
the second. `same_losses` says whether every held-out loss is the same bit for bit.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from taskonomy_catalogue.launch import Launch, trials_text
from taskonomy_catalogue.records import LOSSES_FILE
from taskonomy_catalogue.study import Study, parse_study
from taskonomy_catalogue.trials import Trial, digest, enumerate_trials
from taskonomy_jobs.lessons import REPRESENTATIONS

SOURCES = (
    "autoencoding",
    "denoising",
    "edges-2d",
    "keypoints-2d",
    "curvature",
    "distance",
    "normals",
    "reshading",
    "occlusion-edges",
    "keypoints-3d",
    "room-layout",
    "scene-classes",
)
TARGET = "depth"


def main() -> None:
    """Measure and print the figures."""
    options = _options()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dataset = options.dataset or _rooms(folder / "rooms")
        study = _study(dataset, options)
        _train(folder, "packed", dataset, _of_kind(study, "task-specific"))
        transfers = _of_kind(study, "transfer")
        # Once for the representations, of which both then find all.
        _train(folder, "packed", dataset, transfers)
        _forget(folder / "packed", transfers)
        (folder / "alone").mkdir()
        for found in (folder / "packed").iterdir():
            if found.name == REPRESENTATIONS or found.name not in map(digest, transfers):
                (folder / "alone" / found.name).symlink_to(found)
        packed = _timed(folder, "packed", dataset, [transfers])
        alone = _timed(folder, "alone", dataset, [[transfer] for transfer in transfers])
        same = all(
            (folder / "packed" / digest(trial) / LOSSES_FILE).read_bytes()
            == (folder / "alone" / digest(trial) / LOSSES_FILE).read_bytes()
            for trial in transfers
        )
    count = len(transfers)
    print(
        json.dumps(
            {
                "transfers": count,
                "steps": options.steps,
                "batch": options.batch,
                "load": os.getloadavg()[0],
                "packed_seconds": round(packed, 2),
                "alone_seconds": round(alone, 2),
                "packed_per_second": round(count / packed, 3),
                "alone_per_second": round(count / alone, 3),
                "ratio": round(alone / packed, 2),
                "same_losses": same,
            }
        )
    )


def _timed(folder: Path, root: str, dataset: str, processes: Sequence[Sequence[Trial]]) -> float:
    began = time.perf_counter()
    for trials in processes:
        _train(folder, root, dataset, trials)
    return time.perf_counter() - began


def _train(folder: Path, root: str, dataset: str, trials: Sequence[Trial]) -> None:
    file = folder / "trials.jsonl"
    file.write_text(trials_text(trials))
    launch = Launch(
        trials=str(file), study="benchmark", dataset=dataset, artifacts=str(folder / root)
    )
    subprocess.run(launch.command(), check=True, stdout=subprocess.DEVNULL)


def _forget(root: Path, trials: Sequence[Trial]) -> None:
    for trial in trials:
        for file in (root / digest(trial)).iterdir():
            file.unlink()
        (root / digest(trial)).rmdir()


# --- what is trained ---------------------------------------------------------------------------


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--dataset", help="a data set; without one rooms are made")
    parser.add_argument("--splits", default="rooms")
    parser.add_argument("--sources", type=int, default=8)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=64)
    return parser.parse_args()


def _rooms(out: Path) -> str:
    command = [sys.executable, "-m", "taskonomy_jobs.rooms", str(out), "--buildings=6"]
    subprocess.run([*command, "--views=24", "--size=64"], check=True, stdout=subprocess.DEVNULL)
    return str(out)


def _study(dataset: str, options: argparse.Namespace) -> Study:
    sources = list(SOURCES[: options.sources])
    training = {"steps": options.steps, "batchSize": options.batch, "learningRate": 1e-3}
    spec = {
        "data": {"dataset": dataset, "splits": options.splits, "transferFraction": 0.3},
        "tasks": {"subset": [*sources, TARGET], "sourceOnly": sources, "targetOnly": [TARGET]},
        "model": {"encoder": "resnet-tiny", "decoder": "tiny", "imageSize": options.size},
        "training": {"taskSpecific": {"steps": 2, "batchSize": 8}, "transfer": training},
        "transfers": {"orders": [1]},
    }
    document = {
        "apiVersion": "taskonomy.dev/v1alpha1",
        "kind": "Study",
        "metadata": {"name": "benchmark"},
        "spec": spec,
    }
    return parse_study(document, origin="benchmark")


def _of_kind(study: Study, kind: str) -> list[Trial]:
    return [trial for trial in enumerate_trials(study) if trial.kind == kind]


if __name__ == "__main__":
    main()
