"""``python -m taskonomy_jobs.infer``: predict every target of a taxonomy for images or a video.

The last line of standard output is a summary as JSON; progress goes to standard error.
"""

import json
import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path

import numpy as np
import torch

from taskonomy_catalogue.errors import InputRefused, TaskonomyError
from taskonomy_catalogue.inference import ChosenNetworks, InferLaunch
from taskonomy_catalogue.launch import local_path
from taskonomy_jobs.allocation import keep_freed_memory
from taskonomy_jobs.infer.drawing import Array, Drawer
from taskonomy_jobs.infer.frames import Footage, Frame, open_footage, prepared
from taskonomy_jobs.infer.networks import Networks, Stream, load_networks
from taskonomy_jobs.infer.speed import Speed, measured
from taskonomy_jobs.infer.tiles import Mosaic, Tile, enlarged, waiting
from taskonomy_jobs.infer.writing import Numbers, Writer, check_place, writer

MEASURED = 16
"""Frames, the first ones, that speed is measured on at most."""
REPORTED = 2.0
"""Seconds between two words of progress."""
INPUT = "input"
"""Name of the tile that shows the frame itself."""


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    keep_freed_memory()
    try:
        infer(InferLaunch.parse(words))
    except TaskonomyError as error:
        print(f"taskonomyctl: {error}", file=sys.stderr)  # noqa: T201 - what a person reads
        return error.exit_code
    return 0


def infer(launch: InferLaunch) -> None:
    """Predict, draw and write what the command line asks, and print the summary.

    Raises:
        TaskonomyError: the input, the output's place or the networks are not as they should be.
    """
    footage = open_footage(Path(launch.input))
    out = Path(launch.out)
    check_place(out, footage.kind, replace=bool(launch.replace))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    networks = load_networks(_read_chosen(launch.networks), local_path(launch.artifacts), device)
    networks = _servable(networks, footage)
    if not networks.served:
        reasons = "; ".join(f"{target}: {why}" for target, why in networks.left_out.items())
        raise InputRefused(footage.path, f"no task of this taxonomy can be shown. {reasons}")
    frames = _prepared(footage, networks.image_size)
    head = list(islice(frames, MEASURED))
    speed = measured(networks, _batch([image for _, image in head]), launch.batch)
    mosaic = Mosaic.of(len(networks.served) + 1, networks.image_size)
    rate = footage.rate or Fraction(launch.fps).limit_denominator(1000)
    with writer(out, mosaic, rate) as made:
        count = _apply(networks, chain(head, frames), mosaic, made, launch.batch)
    _print_summary(networks, speed, count, out)


def _servable(networks: Networks, footage: Footage) -> Networks:
    """Return the networks without those that need more frames than one image is."""
    if footage.kind != "image":
        return networks
    left_out = {
        served.target: f"it compares {served.images} views; give a video or a folder of images"
        for served in networks.served
        if served.images > 1
    }
    kept = tuple(served for served in networks.served if served.target not in left_out)
    return Networks(
        kept,
        networks.encoders,
        networks.image_size,
        networks.device,
        networks.left_out | left_out,
    )


def _apply(
    networks: Networks,
    frames: Iterable[tuple[Frame, Array]],
    mosaic: Mosaic,
    made: Writer,
    batch: int,
) -> int:
    """Predict and draw every frame; return how many there were."""
    stream = Stream(networks)
    drawers = {served.target: Drawer(served, mosaic.side) for served in networks.served}
    count, told = 0, time.monotonic()
    frames = iter(frames)
    while group := list(islice(frames, batch)):
        found = stream.predict(_batch([image for _, image in group]))
        predictions = {target: values.cpu().numpy() for target, values in found.items()}
        for place, (frame, image) in enumerate(group):
            made.add(frame.name, *_drawn(drawers, predictions, place - len(group), image, mosaic))
        count += len(group)
        if time.monotonic() - told > REPORTED:
            sys.stderr.write(f"{count} frames\n")
            told = time.monotonic()
    return count


def _drawn(
    drawers: dict[str, Drawer],
    predictions: dict[str, Array],
    place: int,
    image: Array,
    mosaic: Mosaic,
) -> tuple[list[Tile], Numbers]:
    """Return the tiles and numbers of one frame.

    Args:
        drawers: by target.
        predictions: by target, those of the last frames of a batch.
        place: the frame's place from the batch's end, negative: -1 is the last.
        image: the frame as networks see it.
        mosaic: says how large tiles are.
    """
    seen = np.clip((image.transpose(1, 2, 0) + 1) * 127.5, 0, 255).round().astype(np.uint8)
    tiles = [Tile(INPUT, enlarged(seen, mosaic.side))]
    numbers: Numbers = {}
    for target, drawer in drawers.items():
        values = predictions[target]
        if len(values) < -place:
            tiles.append(Tile(target, waiting(mosaic.side)))
            continue
        picture, said = drawer.draw(values[place], image)
        tiles.append(Tile(target, enlarged(picture, mosaic.side)))
        if said is not None:
            numbers[target] = said
    return tiles, numbers


def _prepared(footage: Footage, size: int) -> Iterator[tuple[Frame, Array]]:
    for frame in footage.frames():
        yield frame, prepared(frame.picture, size)


def _batch(images: Sequence[Array]) -> torch.Tensor:
    return torch.from_numpy(np.stack(images))


def _read_chosen(path: str) -> ChosenNetworks:
    try:
        return ChosenNetworks.parse(Path(path).read_bytes(), path)
    except OSError as error:
        raise InputRefused(path, f"cannot be read: {error.strerror}") from error


def _print_summary(networks: Networks, speed: Speed, count: int, out: Path) -> None:
    summary = {
        "frames": count,
        "targets": [served.target for served in networks.served],
        "left_out": networks.left_out,
        "encoders": len({seen.digest for served in networks.served for seen in served.seen}),
        "device": networks.device.type,
        "frames_per_second": {
            "shared": speed.shared,
            "alone": speed.alone,
            "ratio": speed.ratio,
        },
        "out": str(out),
    }
    sys.stdout.write(json.dumps(summary, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    sys.exit(main())
