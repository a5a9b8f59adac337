"""Networks with weights drawn at random, left behind as the trainer leaves them."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch  # noqa: TID251 - what the trainer leaves is torch's

from taskonomy_catalogue.records import write_trial
from taskonomy_catalogue.study import Study, parse_study
from taskonomy_catalogue.study_trials import enumerate_trials
from taskonomy_catalogue.trials import Trial, digest
from taskonomy_jobs.checkpoint import Weights, write_weights
from taskonomy_jobs.data.examples import Statistics
from taskonomy_jobs.folders import WEIGHTS_FILE
from taskonomy_jobs.model.networks import TransferNetwork, create_network

SIZE = 32
"""Side of their images; as small as there are."""


def study_of(*tasks: str, name: str = "rooms", orders: tuple[int, ...] = (1, 2)) -> Study:
    """A study of small networks, every combination of sources among its candidates."""
    document = {
        "apiVersion": "taskonomy.dev/v1alpha1",
        "kind": "Study",
        "metadata": {"name": name},
        "spec": {
            "data": {"dataset": "rooms"},
            "tasks": {"subset": list(tasks)},
            "model": {"encoder": "resnet-tiny", "decoder": "tiny", "imageSize": SIZE},
            "transfers": {"orders": list(orders), "candidates": "exhaustive"},
        },
    }
    return parse_study(document, origin="study.yaml")


def the_trial(study: Study, target: str, *sources: str) -> Trial:
    """The transfer from these sources, or the target's own network if there are none."""
    if id(study) not in _trials:
        _trials[id(study)] = (
            study,
            {
                (trial.kind, trial.target.id, trial.sources): trial
                for trial in enumerate_trials(study)
            },
        )
    kind = "transfer" if sources else "task-specific"
    return _trials[id(study)][1][kind, target, tuple(sorted(sources))]


_trials: dict[int, tuple[Study, dict[tuple[str, str, tuple[str, ...]], Trial]]] = {}
"""Listing a study's trials takes a second; so each study is kept, and listed once."""


def leave_networks(artifacts: Path, trials: Iterable[Trial]) -> None:
    """Leave each trial's `trial.json` and weights."""
    for trial in trials:
        folder = artifacts / digest(trial)
        folder.mkdir(parents=True, exist_ok=True)
        write_trial(folder, trial)
        state = random_network(trial).state_dict()
        length = trial.target.output.channels
        statistics = (
            Statistics(9, np.arange(length, dtype=np.float32), np.full(length, 2, np.float32))
            if trial.target.output.kind == "vector"
            else Statistics(9)
        )
        write_weights(folder / WEIGHTS_FILE, Weights(state, statistics.to_dict()), digest(trial))


def random_network(trial: Trial) -> torch.nn.Module:
    """The network of a trial, its weights far from where they begin; the same at every call."""
    network = create_network(trial)
    draw = torch.Generator().manual_seed(int(digest(trial)[:8], 16))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=draw) * 0.05)
    if isinstance(network, TransferNetwork):
        channels = len(network.mean)
        network.set_normalisation(
            torch.randn(channels, generator=draw) * 0.1,
            torch.rand(channels, generator=draw) + 0.5,
        )
    return network.eval()
