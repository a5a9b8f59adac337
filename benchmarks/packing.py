"""Transfers in packs against one process a transfer, start-up included.

    python benchmarks/packing.py [--dataset ROOT --splits NAME] [--sources 25] [--steps 30]

The sources' networks are trained first (a few steps: it does not matter how well) and their
representations are there for both. Then the same transfers to one target run as one pack in one
process, and one after another in a process each. `ratio` is transfers per second of the first over
the second. `ratio_of_cpu_seconds` is steadier on a busy machine. A pack shares starting a process
and decoding, so the gain grows with its size and shrinks with the length of a trial: by default the
pack is the first order of one target, 25 sources. Try several `--steps`.

`largest_difference` is that of any held-out loss, relative to the larger of the two: 0 on a CPU,
where networks of a pack are computed one by one, to the bit; on a GPU they are stacked. Memory is
the most that any process of either kind held. On a GPU transfers per GPU-hour are told, and the
median of the GPU's utilisation while the pack ran.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch  # noqa: TID251 - it measures training

from taskonomy_catalogue.launch import Launch, trials_text
from taskonomy_catalogue.records import LOSSES_FILE
from taskonomy_catalogue.study import Study, parse_study
from taskonomy_catalogue.study_trials import enumerate_trials
from taskonomy_catalogue.tasks import paper_dictionary
from taskonomy_catalogue.trials import Trial, digest
from taskonomy_jobs.lessons import REPRESENTATIONS

TARGET = "depth"
SOURCES = tuple(task.id for task in paper_dictionary() if task.id != TARGET)
UTILISATION = ("nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-l1")


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
        with _utilisation() as utilisation:
            packed, packed_cpu = _timed(folder, "packed", dataset, [transfers])
        packed_memory = _peak_mib()
        each = [[transfer] for transfer in transfers]
        alone, alone_cpu = _timed(folder, "alone", dataset, each)
        difference = max(_difference(folder, trial) for trial in transfers)
    count = len(transfers)
    figures = {
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "transfers": count,
        "steps": options.steps,
        "batch": options.batch,
        "load": os.getloadavg()[0],
        "packed_seconds": round(packed, 2),
        "alone_seconds": round(alone, 2),
        "packed_per_second": round(count / packed, 3),
        "alone_per_second": round(count / alone, 3),
        "ratio": round(alone / packed, 2),
        "packed_cpu_seconds": round(packed_cpu, 2),
        "alone_cpu_seconds": round(alone_cpu, 2),
        "ratio_of_cpu_seconds": round(alone_cpu / packed_cpu, 2),
        "packed_peak_mib": packed_memory,
        "largest_difference": difference,
    }
    if torch.cuda.is_available():
        figures["transfers_per_gpu_hour"] = round(3600 * count / packed)
        figures["utilisation_percent"] = statistics.median(utilisation or [0])
    print(json.dumps(figures))


def _timed(
    folder: Path, root: str, dataset: str, processes: Sequence[Sequence[Trial]]
) -> tuple[float, float]:
    """Return the seconds that processes took one after another, and their CPU seconds."""
    began, cpu = time.perf_counter(), _cpu()
    for trials in processes:
        _train(folder, root, dataset, trials)
    return time.perf_counter() - began, _cpu() - cpu


@contextmanager
def _utilisation() -> Iterator[list[int]]:
    """Note the first GPU's utilisation, in per cent, every second."""
    noted: list[int] = []
    if not torch.cuda.is_available():
        yield noted
        return
    with subprocess.Popen([*UTILISATION, "-i0"], stdout=subprocess.PIPE, text=True) as asked:
        try:
            yield noted
        finally:
            asked.terminate()
            noted += [int(line) for line in asked.communicate()[0].split()]


def _peak_mib() -> int:
    """Return the most memory that any process held that was started and ended so far."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024


def _difference(folder: Path, trial: Trial) -> float:
    """Return the largest relative difference of a transfer's held-out losses."""
    packed, alone = (
        pq.read_table(folder / root / digest(trial) / LOSSES_FILE)["loss"].to_numpy()
        for root in ("packed", "alone")
    )
    return float((abs(packed - alone) / np.maximum(abs(packed), abs(alone)).clip(1e-30)).max())


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


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
    parser.add_argument("--sources", type=int, default=len(SOURCES))
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
