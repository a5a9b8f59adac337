"""Inference: how the job that applies a taxonomy to images is started, and what it is told.

The warehouse knows which network serves each target, jobs have the networks: they meet in a file of
`ChosenNetworks` and the command line `InferLaunch`.
"""

from typing import ClassVar

from pydantic import Field, ValidationError

from taskonomy_catalogue.errors import InputRefused
from taskonomy_catalogue.launch import CommandLine
from taskonomy_catalogue.tasks import TaskId
from taskonomy_catalogue.trials import Content, Digest

INFER_MODULE = "taskonomy_jobs.infer"
"""What ``python -m`` runs to apply a taxonomy."""


class ChosenNetwork(Content):
    """The network that a taxonomy serves a target by."""

    target: TaskId
    """The task it solves."""
    digest: Digest
    """The trial that trained it: a transfer, or the target's own task-specific network."""


class ChosenNetworks(Content):
    """The networks of one taxonomy."""

    study: str
    """Study they were trained for."""
    budget: float
    """Supervision budget of the taxonomy."""
    order: str
    """Its order limit: a number, or all."""
    networks: tuple[ChosenNetwork, ...] = Field(min_length=1)
    """One for each target, in the order that tiles are laid out."""

    @classmethod
    def parse(cls, content: bytes, origin: str) -> "ChosenNetworks":
        """Read what `model_dump_json` wrote.

        Raises:
            InputRefused: it is something else.
        """
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise InputRefused(origin, f"field {place or 'all'}: {first['msg']}") from error


class InferLaunch(CommandLine):
    """Predict every target of a taxonomy for images or a video, each shared encoder run once."""

    MODULE: ClassVar[str] = INFER_MODULE

    networks: str = Field(min_length=1)
    """JSON file that says which network serves each target."""
    artifacts: str = Field(min_length=1)
    """Where the trials left their folders."""
    input: str = Field(min_length=1)
    """A video, an image, or a folder of images."""
    out: str = Field(min_length=1)
    """A video or image to be made, of tiles; or a folder, of one picture per task and frame."""
    fps: float = Field(default=10.0, gt=0, le=1000)
    """Frames a second of a video made of images."""
    batch: int = Field(default=8, ge=1, le=1024)
    """Frames that go through the networks together."""
    replace: str = Field(default="", pattern="^(yes)?$")
    """`yes` to replace what is there."""
