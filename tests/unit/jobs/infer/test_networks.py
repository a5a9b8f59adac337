"""Shared encoders give what every network gives alone, put together by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from trained_networks import SIZE, leave_networks, random_network, study_of, the_trial

from taskonomy_catalogue.errors import InputRefused, NotFound, TaskonomyError
from taskonomy_catalogue.inference import ChosenNetwork, ChosenNetworks
from taskonomy_catalogue.trials import Trial, digest
from taskonomy_jobs.data.inputs import blanked, grey
from taskonomy_jobs.folders import WEIGHTS_FILE
from taskonomy_jobs.infer.networks import Networks, Stream, load_networks
from taskonomy_jobs.infer.speed import measured
from taskonomy_jobs.model.networks import TransferNetwork, create_source_encoder

STUDY = study_of(
    *("normals", "reshading", "curvature", "edges-2d", "denoising", "colorization", "in-painting"),
    *("segmentation-2d", "pose-fixated", "egomotion", "point-matching", "object-classes"),
    *("vanishing-points", "random", "jigsaw"),
)
SERVED = [
    the_trial(STUDY, "normals"),
    the_trial(STUDY, "reshading", "normals"),
    the_trial(STUDY, "curvature", "normals", "random"),
    the_trial(STUDY, "edges-2d", "colorization", "normals"),
    the_trial(STUDY, "denoising", "reshading"),
    the_trial(STUDY, "segmentation-2d", "reshading"),
    the_trial(STUDY, "pose-fixated", "normals"),
    the_trial(STUDY, "point-matching"),
    the_trial(STUDY, "egomotion", "normals", "reshading"),
    the_trial(STUDY, "object-classes", "reshading"),
]
SOURCES = [the_trial(STUDY, task) for task in ("normals", "reshading", "colorization")]
DRAW = torch.Generator().manual_seed(0)
FRAMES = torch.rand(7, 3, SIZE, SIZE, generator=DRAW) * 2 - 1


def chosen(trials: list[Trial]) -> ChosenNetworks:
    networks = tuple(ChosenNetwork(target=t.target.id, digest=digest(t)) for t in trials)
    return ChosenNetworks(study="rooms", budget=3, order="2", networks=networks)


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("artifacts")
    leave_networks(root, [*SERVED, *SOURCES])
    return root


@pytest.fixture(scope="module")
def networks(artifacts: Path) -> Networks:
    return load_networks(chosen(SERVED), artifacts, torch.device("cpu"))


def encoder_of(trial: Trial, source: str) -> nn.Module:
    """A source's encoder, taken out of its own network and not out of any file."""
    (encoder,) = (e for e in trial.encoders if e.task == source)
    made = create_source_encoder(encoder, trial.model)
    if encoder.is_trained:
        own = random_network(the_trial(STUDY, source)).state_dict()
        state = {k.removeprefix("encoder."): v for k, v in own.items() if k.startswith("encoder.")}
        made.load_state_dict(state)
    return made


@torch.inference_mode()
def alone(trial: Trial, frames: Tensor) -> Tensor:
    """The prediction for one example of consecutive frames (n, 3, S, S), by the whole network."""
    network = random_network(trial)
    if not trial.encoders:
        own: Tensor = network(frames[None])[0]
        return own
    represented = []
    for source in trial.sources:
        seen = np.stack([grey(f) for f in frames.numpy()]) if source == "colorization" else frames
        half = encoder_of(trial, source)(torch.as_tensor(seen)).numpy().astype(np.float16)
        represented.append(torch.from_numpy(half.astype(np.float32)))
    assert isinstance(network, TransferNetwork)
    transferred: Tensor = network(torch.cat(represented, dim=1)[None])[0]
    return transferred


@pytest.mark.parametrize("trial", SERVED, ids=lambda trial: trial.title)
def test_shared_encoders_predict_what_each_network_predicts_alone(
    networks: Networks, trial: Trial
) -> None:
    n = trial.target.images
    expected = [alone(trial, FRAMES[end - n : end]) for end in range(n, len(FRAMES) + 1)]
    found = Stream(networks).predict(FRAMES)[trial.target.id]
    assert len(found) == len(FRAMES) - n + 1
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-3, atol=1e-4)
    by_itself = Stream(networks, [s for s in networks.served if s.target == trial.target.id])
    torch.testing.assert_close(by_itself.predict(FRAMES)[trial.target.id], found)


def test_frames_may_come_in_any_batches(networks: Networks) -> None:
    at_once = Stream(networks).predict(FRAMES)
    stream = Stream(networks)
    parts = [stream.predict(FRAMES[a:b]) for a, b in ((0, 1), (1, 2), (2, 5), (5, 7))]
    for target, values in at_once.items():
        pieces = [part[target] for part in parts if len(part[target])]
        torch.testing.assert_close(torch.cat(pieces), values, rtol=1e-3, atol=1e-4)


def test_an_encoder_runs_once_for_a_frame_whoever_stands_on_it(networks: Networks) -> None:
    seen: list[int] = []
    hooks = [
        encoder.register_forward_hook(lambda _m, inputs, _o: seen.append(len(inputs[0])))
        for encoder in networks.encoders.values()
    ]
    Stream(networks).predict(FRAMES)
    shared = len(seen)
    seen.clear()
    for served in networks.served:
        Stream(networks, [served]).predict(FRAMES)
    for hook in hooks:
        hook.remove()
    # normals (its own network and six transfers), reshading, random, colorization, point matching
    assert shared == 5
    assert len(seen) == 13


def test_in_painting_and_colorization_see_what_they_are_to_restore(artifacts: Path) -> None:
    own = [the_trial(STUDY, "in-painting"), the_trial(STUDY, "colorization")]
    leave_networks(artifacts, own)
    networks = load_networks(chosen(own), artifacts, torch.device("cpu"))
    found = Stream(networks).predict(FRAMES[:2])
    for trial, see in zip(own, (blanked, grey), strict=True):
        images = torch.from_numpy(np.stack([see(frame) for frame in FRAMES[:2].numpy()]))
        with torch.inference_mode():
            expected = random_network(trial)(images[:, None])
        torch.testing.assert_close(found[trial.target.id], expected, rtol=1e-3, atol=1e-4)


def test_jigsaw_is_left_out_and_the_rest_served(artifacts: Path) -> None:
    trials = [the_trial(STUDY, "jigsaw"), the_trial(STUDY, "normals")]
    leave_networks(artifacts, trials[:1])
    networks = load_networks(chosen(trials), artifacts, torch.device("cpu"))
    assert [served.target for served in networks.served] == ["normals"]
    assert "not a picture's" in networks.left_out["jigsaw"]


def test_speed_is_measured_both_ways(networks: Networks) -> None:
    speed = measured(networks, FRAMES, batch=4)
    assert speed.shared > 0
    assert speed.ratio == speed.shared / speed.alone


def _no_trial(folder: Path) -> None:
    (folder / "trial.json").unlink()


def _no_weights(folder: Path) -> None:
    (folder / WEIGHTS_FILE).unlink()


def _cut(folder: Path) -> None:
    content = (folder / WEIGHTS_FILE).read_bytes()
    (folder / WEIGHTS_FILE).write_bytes(content[: len(content) // 2])


def _of_another(folder: Path) -> None:
    other = the_trial(STUDY, "curvature", "normals", "random")
    leave_networks(folder.parent, [other])
    content = (folder.parent / digest(other) / WEIGHTS_FILE).read_bytes()
    (folder / WEIGHTS_FILE).write_bytes(content)


@pytest.mark.parametrize(
    ("broken", "error", "says"),
    [
        (_no_trial, NotFound, "the network of reshading is not there; name the folder"),
        (_no_weights, NotFound, "the weights of transfer normals → reshading are not there"),
        (_cut, InputRefused, "cannot be read"),
        (_of_another, InputRefused, "does not fit the trial's network"),
    ],
)
def test_what_is_missing_or_damaged_is_named(
    tmp_path: Path, broken: object, error: type[TaskonomyError], says: str
) -> None:
    trial = the_trial(STUDY, "reshading", "normals")
    leave_networks(tmp_path, [trial, the_trial(STUDY, "normals")])
    assert callable(broken)
    broken(tmp_path / digest(trial))
    with pytest.raises(error, match=says):
        load_networks(chosen([trial]), tmp_path, torch.device("cpu"))


def test_weights_of_a_source_that_are_missing_are_named(tmp_path: Path) -> None:
    trial = the_trial(STUDY, "reshading", "normals")
    leave_networks(tmp_path, [trial])
    with pytest.raises(NotFound, match="the weights of source normals of transfer"):
        load_networks(chosen([trial]), tmp_path, torch.device("cpu"))


def test_networks_of_other_sizes_do_not_go_together(tmp_path: Path) -> None:
    other = the_trial(STUDY, "normals")
    other = other.model_copy(update={"model": other.model.model_copy(update={"image_size": 64})})
    same = the_trial(STUDY, "reshading")
    leave_networks(tmp_path, [other, same])
    with pytest.raises(InputRefused, match="image sizes"):
        load_networks(chosen([other, same]), tmp_path, torch.device("cpu"))
