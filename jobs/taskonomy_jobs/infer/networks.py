"""The networks of a taxonomy: encoders that several targets stand on, and a head for each target.

    frame ─► encoder of a source, once ─┬─► readout and decoder of a target
                                        ├─► readout and decoder of another
                                        └─► decoder of the source itself, where it is served so

An encoder is run once for a frame and what is done to it beforehand (`Seen`). A target of several
images takes the representations of consecutive frames, the last of them the present one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from taskonomy_catalogue.errors import InputRefused, NotFound, SettingRefused
from taskonomy_catalogue.inference import ChosenNetwork, ChosenNetworks
from taskonomy_catalogue.records import TRIAL_FILE, parse_trial
from taskonomy_catalogue.trials import SourceEncoder, Trial
from taskonomy_jobs.checkpoint import NotYet, Weights, read_weights
from taskonomy_jobs.data.examples import Statistics
from taskonomy_jobs.data.inputs import blanked, grey
from taskonomy_jobs.folders import WEIGHTS_FILE
from taskonomy_jobs.model.networks import JIGSAW, create_network, create_source_encoder

HALF = float(np.finfo(np.float16).max)
"""Transfers learnt from representations stored as float16; beyond its range they were clipped."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What an encoder sees of a frame: two that are equal give one representation."""

    digest: str
    """Of the trial that trained the encoder."""
    is_blanked: bool = False
    """Whether the frame's centre is blanked: for in-painting, which fills it."""
    is_grey: bool = False
    """Whether the frame is made grey: for colorization, and for its encoder."""


@dataclass(frozen=True)
class Served:
    """A target and the network that serves it."""

    trial: Trial
    """What was trained."""
    seen: tuple[Seen, ...]
    """Whose representations it reads, in the order it concatenates them."""
    head: nn.Module
    """From representations (B, n, 8k, 16, 16) to predictions."""
    statistics: Statistics
    """What its labels were standardised with."""

    @property
    def target(self) -> str:
        """The target's id."""
        return self.trial.target.id

    @property
    def images(self) -> int:
        """Consecutive frames that one prediction is made of."""
        return self.trial.target.images


@dataclass(frozen=True)
class Networks:
    """All that is needed to apply a taxonomy."""

    served: tuple[Served, ...]
    encoders: dict[str, nn.Module]
    """By digest."""
    image_size: int
    """Side of the images they were trained on."""
    device: torch.device
    left_out: dict[str, str]
    """Targets that cannot be served, and why."""


def load_networks(chosen: ChosenNetworks, artifacts: Path, device: torch.device) -> Networks:
    """Read the networks of a taxonomy from the folders that their trials left.

    Raises:
        NotFound: a trial or its weights are not there; the message says what to do.
        InputRefused: a file is damaged, or networks of other sizes were put together.
    """
    trials = [_read_trial(artifacts, network) for network in chosen.networks]
    left_out = {JIGSAW: "the tiles it puts in order are not a picture's"}
    kept = [trial for trial in trials if trial.target.id not in left_out]
    sizes = {trial.model.image_size for trial in trials}
    if len(sizes) > 1:
        raise InputRefused(artifacts, f"networks of image sizes {sorted(sizes)} do not go together")
    digests = {n.target: n.digest for n in chosen.networks}
    encoders: dict[str, nn.Module] = {}
    served = []
    for trial in kept:
        weights = _read_weights(artifacts / digests[trial.target.id], trial.title)
        _add_encoders(encoders, trial, digests[trial.target.id], weights, artifacts)
        served.append(_served(trial, digests[trial.target.id], weights, device))
    for encoder in encoders.values():
        encoder.to(device).to(memory_format=torch.channels_last)
    absent = {t.target.id: left_out[t.target.id] for t in trials if t not in kept}
    return Networks(tuple(served), encoders, sizes.pop(), device, absent)


class Stream:
    """Predicts some of the targets for frames in their order; encoders they share run once.

    Args:
        networks: the networks.
        served: those to predict with; all unless given.
    """

    def __init__(self, networks: Networks, served: Sequence[Served] | None = None) -> None:
        self._networks = networks
        self._served = networks.served if served is None else tuple(served)
        self._seen = tuple(dict.fromkeys(seen for each in self._served for seen in each.seen))
        self._kept = max((each.images for each in self._served), default=1) - 1
        self._before: dict[Seen, Tensor] = {}

    @torch.inference_mode()
    def predict(self, frames: Tensor) -> dict[str, Tensor]:
        """Return predictions for the next frames.

        Args:
            frames: float32 (B, 3, S, S) in [-1, 1].

        Returns:
            By target, (B', …): the predictions of the last B' ≤ B frames. B' is smaller where a
            target needs frames before the first.
        """
        found = {seen: self._represented(seen, frames) for seen in self._seen}
        predictions = {each.target: self._predicted(each, found) for each in self._served}
        if self._kept:
            self._before = {seen: found[seen][-self._kept :] for seen in self._seen}
        return predictions

    def _represented(self, seen: Seen, frames: Tensor) -> Tensor:
        """Return the representations of the frames, those kept from before in front."""
        images = _altered(frames, seen).to(self._networks.device)
        encoder = self._networks.encoders[seen.digest]
        now: Tensor = encoder(images.contiguous(memory_format=torch.channels_last))
        before = self._before.get(seen)
        return now if before is None else torch.cat([before, now])

    def _predicted(self, served: Served, found: dict[Seen, Tensor]) -> Tensor:
        features = torch.cat([found[seen] for seen in served.seen], dim=1)
        total = len(features)
        fresh = total - len(next(iter(self._before.values()), features[:0]))
        windows = min(fresh, total - served.images + 1)
        starts = range(total - served.images + 1 - windows, total - served.images + 1)
        if windows <= 0:
            return features[:0, 0, 0, 0]
        consecutive = torch.stack([features[start : start + served.images] for start in starts])
        prediction: Tensor = served.head(consecutive)
        return prediction.float()


class _OwnHead(nn.Module):
    """The decoder of a task's own network, on representations of its own encoder."""

    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, representations: Tensor) -> Tensor:
        prediction: Tensor = self.decoder(representations.flatten(1, 2))
        return prediction


class _TransferHead(nn.Module):
    """A transfer, on representations as it learnt from them: rounded to float16."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, representations: Tensor) -> Tensor:
        stored = representations.clamp(-HALF, HALF).half().float()
        prediction: Tensor = self.network(stored)
        return prediction


# --- reading ----------------------------------------------------------------------------------


def _read_trial(artifacts: Path, network: ChosenNetwork) -> Trial:
    path = artifacts / network.digest / TRIAL_FILE
    try:
        trial = parse_trial(path.read_bytes(), str(path))
    except OSError as error:
        raise NotFound(
            f"{path}: the network of {network.target} is not there; name the folder the trials "
            "left their results in with --artifacts"
        ) from error
    if not isinstance(trial, Trial) or trial.kind == "scratch":
        raise SettingRefused(f"{path}: {trial.title} serves no target of a taxonomy")
    return trial


def _read_weights(folder: Path, title: str) -> Weights:
    try:
        return read_weights(folder / WEIGHTS_FILE)
    except NotYet as error:
        raise NotFound(
            f"{folder / WEIGHTS_FILE}: the weights of {title} are not there; train it again "
            "(`taskonomyctl submit`), or name the folder that has them with --artifacts"
        ) from error


def _add_encoders(
    encoders: dict[str, nn.Module], trial: Trial, digest: str, weights: Weights, artifacts: Path
) -> None:
    """Add the encoders that a trial's network stands on, unless they are there."""
    own = SourceEncoder(task=trial.target.id, digest=digest)
    for source in trial.encoders or (own,):
        if source.digest in encoders:
            continue
        encoder = create_source_encoder(source, trial.model)
        if source.is_trained:
            title = f"source {source.task} of {trial.title}"
            there = source is own
            of_source = weights if there else _read_weights(artifacts / source.digest, title)
            _fill(encoder, of_source.encoder, artifacts / source.digest)
        encoders[source.digest] = encoder


def _served(trial: Trial, digest: str, weights: Weights, device: torch.device) -> Served:
    network = create_network(trial)
    _fill(network, weights.network, Path(digest, WEIGHTS_FILE))
    own = trial.kind == "task-specific"
    head = _OwnHead(network.decoder) if own else _TransferHead(network)  # type: ignore[arg-type]
    head.eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last)
    sources = {digest: trial.target.id} if own else {e.digest: e.task for e in trial.encoders}
    seen = tuple(_what_it_sees(trial, digest, task) for digest, task in sources.items())
    return Served(trial, seen, head, Statistics.from_dict(weights.statistics))


def _what_it_sees(trial: Trial, digest: str, source: str) -> Seen:
    """Return what a source's encoder sees for a target: as in training, but for the noise.

    A frame to be denoised is noisy as it is.
    """
    return Seen(
        digest,
        is_blanked=trial.target.id == "in-painting",
        is_grey="colorization" in (trial.target.id, source),
    )


def _fill(network: nn.Module, state: dict[str, Tensor], place: Path) -> None:
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).splitlines()[0]
        raise InputRefused(place, f"does not fit the trial's network: {first}") from error


def _altered(frames: Tensor, seen: Seen) -> Tensor:
    if not (seen.is_blanked or seen.is_grey):
        return frames
    images = frames.numpy()
    if seen.is_blanked:
        images = np.stack([blanked(image) for image in images])
    if seen.is_grey:
        images = np.stack([grey(image) for image in images])
    return torch.from_numpy(images)
