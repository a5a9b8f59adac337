"""Small studies as training leaves them, with losses that make sense: for guides and reports.

`rooms` and `places` ask for the same networks on two data sets, `rooms-again` for those of `rooms`
from another seed. What a network is worth to a target
is given here; images differ in difficulty, and a network's luck on one is its own.
"""

import hashlib
from pathlib import Path

import numpy as np
import yaml
from trial_results import Artifacts, study_document, trials_of

from taskonomy_catalogue.records import BestGuess
from taskonomy_catalogue.study import Study, parse_study
from taskonomy_catalogue.trials import Trial, digest

IMAGES = 400
AGAIN = "rooms-again"
LACKING = {AGAIN: "transfer curvature → normals"}
"""The one trial that has not finished."""
WORTH = {
    frozenset({"normals", "reshading"}): 0.75,
    frozenset({"normals", "curvature"}): 0.45,
    frozenset({"reshading", "curvature"}): 0.3,
}
"""How much the encoder of one task is worth to another."""


def leave_rooms(folder: Path) -> None:
    """Write each study's file and the results of all of its trials."""
    artifacts = Artifacts(folder / "results", images=IMAGES)
    for name, data, seed in (("rooms", "rooms", 0), ("places", "places", 0), (AGAIN, "rooms", 1)):
        document = study_document(
            name,
            data={"dataset": f"s3://{data}/v1"},
            training={kind: {"seeds": [seed]} for kind in ("taskSpecific", "scratch", "transfer")},
            artifacts=str(artifacts.root),
        )
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(document))
        study = parse_study(document, origin=f"{name}.yaml")
        artifacts.study = name
        for trial in trials_of(study):
            # Best guesses have no seed: those of `rooms` are there.
            if trial.title != LACKING.get(name) and not artifacts.folder(trial).exists():
                artifacts.leave(trial, losses=losses(study, trial))


def losses(study: Study, trial: Trial | BestGuess) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Losses of a trial on its target's held-out images."""
    difficulty = _draw(study.name.removesuffix("-again"), trial.target.id).normal(size=IMAGES)
    luck = _draw(digest(trial)).normal(size=IMAGES)
    return np.exp(0.5 * (difficulty + luck - worth(trial))).astype(np.float32)


def worth(trial: Trial | BestGuess) -> float:
    """How much better than from scratch a network does, in units of an image's luck."""
    if trial.kind in ("scratch", "best-guess"):
        return 0.0 if trial.kind == "scratch" else -2.0
    if trial.kind == "task-specific":
        return 1.0
    each = [_from(source, trial.target.id) for source in trial.sources]
    return max(each) + 0.12 * (len(each) - 1)


def _from(source: str, target: str) -> float:
    return 0.9 if source == target else WORTH.get(frozenset({source, target}), -0.4)


def _draw(*words: str) -> np.random.Generator:
    text = " ".join(words).encode()
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text).digest()[:8]))
