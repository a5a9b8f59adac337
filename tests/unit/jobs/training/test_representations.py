"""Representations on disk: found again, exact to float16, safe between processes."""

import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_world import SIDE, SmallExamples, picture

from taskonomy_catalogue.tasks import paper_dictionary
from taskonomy_catalogue.trials import SourceEncoder, TrialTask, untrained_encoder_digest
from taskonomy_jobs.batches import Memory, Shelf
from taskonomy_jobs.data.inputs import grey
from taskonomy_jobs.data.skips import Skips
from taskonomy_jobs.model.encoders import create_encoder
from taskonomy_jobs.representations import Frozen, Store, fill, normalise, variant_of

Rows = np.ndarray[Any, Any]


def task(name: str) -> TrialTask:
    return TrialTask.of(paper_dictionary()[name])


def shelf(name: str, count: int = 40, damaged: frozenset[int] = frozenset()) -> Shelf:
    examples = SmallExamples(task(name), "train", count, damaged)
    return Shelf(examples, Skips(10_000), images=False, fixed=True, memory=Memory(1 << 30))


def frozen(root: Path, source: str = "random", seed: int = 0) -> Frozen:
    store = Store(root, {"encoder": source, "seed": seed})
    digest = untrained_encoder_digest("resnet-tiny", seed)

    def make() -> torch.nn.Module:
        torch.manual_seed(seed)
        return create_encoder("resnet-tiny", SIDE).eval().requires_grad_(False)

    about = SourceEncoder(task=source, digest=digest, initial_seed=seed)
    return Frozen(about, store, store, make, torch.device("cpu"))


def test_what_is_stored_is_what_the_encoder_says(tmp_path: Path) -> None:
    encoder = frozen(tmp_path)
    examples = shelf("depth")
    fill([encoder], [(examples, range(40))])
    rows = np.array([[3], [39], [0], [3]])
    images = np.stack([picture(row) for row in rows[:, 0].tolist()])
    with torch.no_grad():
        expected = encoder.network(torch.from_numpy(images))
    stored = encoder.seen.gather(rows)
    assert stored.shape == (4, 1, 8, 16, 16)
    assert np.allclose(stored[:, 0], expected, rtol=2e-3, atol=2e-3)


def test_only_what_is_missing_is_computed(tmp_path: Path) -> None:
    first, again = frozen(tmp_path), frozen(tmp_path)
    fill([first], [(shelf("depth"), range(10))])
    more = shelf("normals")
    fill([again], [(more, range(14))])
    assert [index for index, _ in more.examples.read] == [10, 11, 12, 13]  # type: ignore[attr-defined]
    assert again.seen.missing(np.arange(20)).tolist() == list(range(14, 20))
    nothing = shelf("depth")
    fill([frozen(tmp_path)], [(nothing, range(14))])
    assert nothing.examples.read == []  # type: ignore[attr-defined]


def test_each_view_of_a_tuple_is_looked_up(tmp_path: Path) -> None:
    encoder, pairs = frozen(tmp_path), shelf("pose-fixated")
    fill([encoder], [(pairs, range(40))])
    both = encoder.seen.gather(pairs.examples.views[:2])
    assert both.shape == (2, 2, 8, 16, 16)
    assert np.array_equal(both[0, 1], both[1, 0])  # view 1 is the second of one, first of the next


def test_colorization_sees_grey(tmp_path: Path) -> None:
    colour, plain = frozen(tmp_path, "colorization"), frozen(tmp_path, "random")
    image = picture(5)[None]
    assert np.array_equal(colour.represent(image), plain.represent(grey(image[0])[None]))
    assert not np.array_equal(colour.represent(image), plain.represent(image))


def test_images_that_cannot_be_read_are_left_out_and_counted(tmp_path: Path) -> None:
    encoder, holed = frozen(tmp_path), shelf("depth", damaged=frozenset({4}))
    fill([encoder], [(holed, range(8))])
    assert encoder.seen.missing(np.arange(8)).tolist() == [4]
    assert holed.skips.count == 1
    with pytest.raises(KeyError, match="view 4"):
        encoder.seen.gather(np.array([4]))


def test_normalisation_is_of_the_training_images(tmp_path: Path) -> None:
    encoder = frozen(tmp_path)
    normalise([encoder], lambda: shelf("autoencoding"))
    found = encoder.clean.normalisation
    assert found is not None
    values = encoder.represent(np.stack([picture(row) for row in range(40)])).astype(np.float64)
    assert np.allclose(found[0], values.mean((0, 2, 3)), atol=1e-4)
    assert np.allclose(found[1], values.std((0, 2, 3)), atol=1e-4)


def test_an_end_in_the_middle_keeps_what_is_done(tmp_path: Path) -> None:
    encoder = frozen(tmp_path)
    calls = 0

    def interrupt() -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill([encoder], [(shelf("depth"), range(40))], interrupt)
    assert encoder.seen.missing(np.arange(40)).tolist() == list(range(32, 40))


def test_targets_with_other_inputs_have_representations_of_their_own() -> None:
    variants = {name: variant_of(task(name)) for name in ("depth", "denoising", "colorization")}
    assert variants == {
        "depth": "clean",
        "denoising": "denoising",
        "colorization": "colorization",
    }


def _fill_in_process(root: Path) -> int:
    torch.set_num_threads(1)
    examples = shelf("depth")
    fill([frozen(root)], [(examples, range(40))])
    return len(examples.examples.read)  # type: ignore[attr-defined]


@pytest.mark.slow
def test_processes_at_once_share_the_work(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        read = pool.map(_fill_in_process, [tmp_path, tmp_path])
    assert sorted(read) == [0, 40]
    assert frozen(tmp_path).seen.missing(np.arange(40)).size == 0


def test_a_store_is_named_by_what_it_is_about(tmp_path: Path) -> None:
    assert Store(tmp_path, {"a": 1, "b": 2}).folder == Store(tmp_path, {"b": 2, "a": 1}).folder
    assert Store(tmp_path, {"a": 1}).folder != Store(tmp_path, {"a": 2}).folder
