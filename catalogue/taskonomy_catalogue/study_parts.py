"""The parts of a Study's spec: what each field means, its bounds, and the paper's value as default.

First the words that fields are made of, then one class per part: the data, the networks, the
transfers, what pods ask for, the taxonomies (`study_training` has how networks are trained). Types
are simple on purpose: the custom resource's structural schema is made from them, and bounded
lengths keep its CEL rules cheap.
"""

from collections.abc import Iterator
from typing import Annotated, Literal, get_args

from pydantic import ConfigDict, Field

from taskonomy_catalogue.refusals import Problem, SpecModel
from taskonomy_catalogue.tasks import MAX_TASKS, TASK_ID_PATTERN

Stage = Literal["task-specific", "scratch", "first-order", "higher-order", "affinity", "taxonomy"]
STAGES: tuple[Stage, ...] = get_args(Stage)
"""What a study goes through, in order; `submit --stage X` runs X and whatever X needs."""

TrainingStage = Literal["task-specific", "scratch", "first-order", "higher-order"]
"""Stages that train networks."""

Kind = Literal["task-specific", "scratch", "transfer"]
"""How a network is trained; transfers of order 1 and above are two stages of one kind."""

MAX_NAME = 49
"""A child Job is called <study>-<10 hex digits of the digest>, the pods of several nodes append
-<index>, and all that ends at 63."""

PAPER_POOL = {2: 5, 3: 5, 4: 6}
"""Best first-order sources that the paper combines, by order; from 5 on, as many as the order
(section 3.2 and the supplementary material)."""

# --- the words that fields are made of ---------------------------------------------------------

_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
_OBJECT = r"^([a-z0-9]([-.a-z0-9]*[a-z0-9])?)?$"
_CPU = (
    r"^([1-9][0-9]{0,3}(\.[0-9]{1,3})?|0\.(00[1-9]|0[1-9][0-9]?|[1-9][0-9]{0,2})|[1-9][0-9]{0,6}m)$"
)
_MEMORY = r"^[1-9][0-9]{0,14}(\.[0-9]{1,3})?(k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$"
_DICTIONARY = r"^(paper|inline|.*[^/]\.toml)$"
_SPLITS = r"^([a-z0-9][-+_a-z0-9]{0,62}|.*[^/]\.csv)$"
_PLACE = r"^([a-z][-+.a-z0-9]*://[^\s]+|[^\s:]+)$"
_PLACE_OR_NONE = r"^([a-z][-+.a-z0-9]*://[^\s]+|[^\s:]+)?$"
_WORD = r"^[^\s](.*[^\s])?$"

MEANINGS = {
    _LABEL: "an RFC 1123 label; write lower-case letters, digits and inner hyphens",
    _OBJECT: "the name of a Kubernetes object: lower-case letters, digits, inner hyphens and dots",
    _CPU: 'a positive CPU quantity; write "4", "0.5" or 500m',
    _MEMORY: "a positive memory quantity; write 16Gi or 512Mi (or M, G for powers of ten)",
    _DICTIONARY: "a dictionary; write paper, inline, or the path or URI of a tasks file (.toml)",
    _SPLITS: "a split; write its name (tiny, medium, full, fullplus) or the path of a .csv",
    _PLACE: "a place; write a path or a URI such as s3://bucket/folder, without blanks",
    _PLACE_OR_NONE: "a place; write a path or a URI such as s3://bucket/folder, without blanks",
    _WORD: "a name; leave out the blanks around it",
    TASK_ID_PATTERN: "a task id; write lower-case letters, digits and inner hyphens, at most 40",
}
"""What each pattern asks for, in words. RE2 syntax without look-ahead, as the API server's is."""

Name = Annotated[str, Field(strict=True, pattern=_LABEL, min_length=1, max_length=253)]
PriorityClass = Annotated[str, Field(strict=True, pattern=_OBJECT, max_length=253)]
ObjectName = Annotated[str, Field(strict=True, pattern=_OBJECT, max_length=63)]
TaskName = Annotated[str, Field(strict=True, pattern=_WORD, min_length=1, max_length=60)]
DictionaryName = Annotated[str, Field(strict=True, pattern=_DICTIONARY, max_length=1024)]
TaskNames = Annotated[tuple[TaskName, ...], Field(max_length=MAX_TASKS)]
Place = Annotated[str, Field(strict=True, pattern=_PLACE, min_length=1, max_length=1024)]
OptionalPlace = Annotated[str, Field(strict=True, pattern=_PLACE_OR_NONE, max_length=1024)]
Cpu = Annotated[str, Field(strict=True, pattern=_CPU, max_length=10)]
Memory = Annotated[str, Field(strict=True, pattern=_MEMORY, max_length=24)]
Weight = Annotated[float, Field(strict=True, ge=0, le=1e9)]
Weights = Annotated[dict[str, Weight], Field(max_length=MAX_TASKS)]
Order = Annotated[int, Field(strict=True, ge=1, le=MAX_TASKS)]
Orders = Annotated[tuple[Order, ...], Field(max_length=MAX_TASKS)]
Texts = Annotated[dict[str, str], Field(max_length=64)]
Flag = Annotated[bool, Field(strict=True)]

# --- the parts ----------------------------------------------------------------------------------


class Metadata(SpecModel):
    """Name and labels of a study. The API server adds fields of its own, so others are let be."""

    model_config = ConfigDict(extra="ignore")

    name: Name
    """Name of the study, unique in its namespace; at most 49 characters, as its Jobs' names append
    a digest and their pods' an index."""
    namespace: ObjectName = ""
    """Namespace it lives in; empty: the caller's."""
    labels: Texts = Field(default={})
    """Labels, copied to the study's objects."""
    annotations: Texts = Field(default={})
    """Annotations, left as they are."""

    def rules(self) -> Iterator[Problem]:
        """Yield the rule that child Jobs can be named after the study."""
        if len(self.name) > MAX_NAME:
            reason = (
                f"{len(self.name)} characters are too many: its Jobs' names append a digest and "
                f"end at 63; use at most {MAX_NAME}"
            )
            yield Problem("name", reason)


class Data(SpecModel):
    """The images and labels, and how they are split.

    Task-specific networks are trained on the whole train split, every other network on a fraction
    of it; all are judged on the test split.
    """

    dataset: Place
    """Folder or URI of the data set."""
    identity: Annotated[str, Field(strict=True, max_length=1024)] = ""
    """What trial digests call this data; empty: its address. Give copies at other addresses the
    same identity, and change it when the content changes, or old results are taken for new."""
    layout: Literal["taskonomy", "omnidata"] = "taskonomy"
    """How files are laid out and named."""
    splits: Annotated[str, Field(strict=True, pattern=_SPLITS, max_length=1024)] = "medium"
    """Which buildings are for training, validation and test: a published split's name or a CSV
    with columns id, train, val, test."""
    transfer_fraction: Annotated[float, Field(strict=True, gt=0, le=1)] = 0.02
    """Share of the train split that transfers and the scratch baseline learn from."""


class Model(SpecModel):
    """The networks; their shapes are in the paper's supplementary material."""

    encoder: Literal["resnet50", "resnet18", "resnet-tiny"] = "resnet50"
    """Encoder of task-specific networks: the paper's, a lighter one, or one for a laptop."""
    decoder: Literal["paper", "tiny"] = "paper"
    """Decoder of every network: the paper's, or one for a laptop."""
    image_size: Annotated[int, Field(strict=True, ge=32, le=1024, multiple_of=16)] = 256
    """Side of the square input in pixels; the representation is a sixteenth of it."""


class Transfers(SpecModel):
    """Which transfers are measured."""

    orders: Annotated[tuple[Order, ...], Field(min_length=1, max_length=MAX_TASKS)] = (1, 2, 3, 4)
    """How many sources are combined, ascending."""
    candidates: Literal["paper", "beam", "exhaustive"] = "paper"
    """Which combinations are tried above order 1. `paper`: of a target's best first-order sources
    the pairs and triples of five, the quadruples of six, and from order 5 on the k best; `beam`:
    every combination of the `beamWidth` best; `exhaustive`: every combination."""
    beam_width: Annotated[int, Field(strict=True, ge=1, le=MAX_TASKS)] | None = None
    """Best first-order sources to combine, with candidates `beam`; never fewer than the order."""
    own_encoder: Literal["first-order", "every-order", "never"] = "first-order"
    """Where a target's own encoder counts among its sources; the paper measured it at order 1."""

    def rules(self) -> Iterator[Problem]:
        """Yield the rules between orders, policy and beam."""
        if list(self.orders) != sorted(set(self.orders)):
            wanted = ", ".join(map(str, sorted(set(self.orders))))
            yield Problem("orders", f"must ascend without repetition; write [{wanted}]")
        if 1 not in self.orders and self.candidates != "exhaustive":
            reason = "higher orders are chosen from the first-order results; add 1"
            yield Problem("orders", reason)
        if (self.candidates == "beam") != (self.beam_width is not None):
            reason = "goes with candidates: beam, and beam needs it; give both or neither"
            yield Problem("beamWidth", reason)

    def pool(self, order: int, available: int) -> int:
        """Return how many of a target's best sources are combined at an order.

        Args:
            order: sources in one transfer, from 1.
            available: sources the target may use.
        """
        if order == 1 or self.candidates == "exhaustive":
            return available
        width = self.beam_width if self.candidates == "beam" else PAPER_POOL.get(order)
        return min(max(width or 0, order), available)

    def uses_own_encoder(self, order: int) -> bool:
        """Return whether a target's own encoder is among its sources at an order."""
        return self.own_encoder == "every-order" or (
            self.own_encoder == "first-order" and order == 1
        )


class Nodes(SpecModel):
    """How many nodes an elastic trial may use."""

    min: Annotated[int, Field(strict=True, ge=1, le=64)] = 1
    """Fewest nodes a trial starts or goes on with."""
    max: Annotated[int, Field(strict=True, ge=1, le=64)] = 1
    """Most nodes a trial uses."""

    def rules(self) -> Iterator[Problem]:
        """Yield the rule that the range is one."""
        if self.min > self.max:
            yield Problem("min", f"{self.min} is above max {self.max}; lower it or raise max")


class AnalysisResources(SpecModel):
    """What one pod of a stage asks for that computes without a GPU."""

    profile: ObjectName = ""
    """Profile of the installation (node selectors, tolerations); empty: none."""
    cpu: Cpu = "2"
    """CPUs of one pod."""
    memory: Memory = "4Gi"
    """Memory of one pod."""


class StageResources(SpecModel):
    """What one pod of a training stage asks for."""

    profile: ObjectName = ""
    """Profile of the installation (node selectors, tolerations); empty: none."""
    gpus: Annotated[int, Field(strict=True, ge=0, le=64)] = 1
    """GPUs of one pod; 0 trains on the CPU."""
    nodes: Nodes = Nodes()
    """Pods of one trial, one a node."""
    cpu: Cpu = "4"
    """CPUs of one pod."""
    memory: Memory = "16Gi"
    """Memory of one pod."""
    shm: Memory = "2Gi"
    """Size of /dev/shm, which data loaders share; part of the pod's memory."""


class Resources(SpecModel):
    """What each stage's pods ask for; none of it changes a result."""

    task_specific: StageResources = StageResources()
    """Task-specific networks."""
    scratch: StageResources = StageResources()
    """Networks from scratch."""
    first_order: StageResources = StageResources()
    """Transfers from one source."""
    higher_order: StageResources = StageResources()
    """Transfers from several sources."""
    affinity: AnalysisResources = AnalysisResources()
    """Win rates and affinities."""
    taxonomy: AnalysisResources = AnalysisResources()
    """Taxonomies."""


class Taxonomy(SpecModel):
    """Which taxonomies are solved for (section 3.4)."""

    budgets: Annotated[
        tuple[Annotated[float, Field(strict=True, gt=0, le=1e9)], ...],
        Field(min_length=1, max_length=MAX_TASKS),
    ] = (2.0, 4.0, 6.0, 8.0, 12.0, 15.0, 22.0, 26.0)
    """Supervision budgets: the most that the chosen sources' label costs may add up to."""
    orders: Orders = ()
    """Maximum orders, a taxonomy each; empty: 1 and the highest that is measured."""
    affinity_exponent: Annotated[float, Field(strict=True, gt=0, le=10)] = 0.5
    """Power that affinities are raised to in the objective; 0.5 gives the paper's numbers."""
    sources_serve_themselves: Flag = False
    """Whether a target that is chosen as a source must be served by its own network."""
    allow_own_transfer: Flag = False
    """Whether a transfer whose sources include its own target may serve it."""

    def rules(self) -> Iterator[Problem]:
        """Yield the rule that nothing is solved for twice."""
        for field in ("budgets", "orders"):
            values = getattr(self, field)
            if len(set(values)) < len(values):
                yield Problem(field, "a value is given twice; remove it")
