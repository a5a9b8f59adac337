"""The Study: one typed spec of what is to be measured, the same file for a cluster and a laptop.

`parse_study` reads a document into a `Study`; `Study.sources` and `Study.targets` say who takes
part once the roles are applied. The parts of the spec, each field with its meaning and the paper's
value as its default (Zamir et al., CVPR 2018), stand in `study_tasks`, `study_parts` and
`study_training`.

Three kinds of rule, each where it can be checked: a field's own (its type), cross-field rules (a
part's `rules`; the custom resource states the same ones in CEL), and rules that need the task
dictionary (marked "dictionary rule"; no API server can check those, so submitting does).
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from math import comb
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError
from pydantic.alias_generators import to_camel

from taskonomy_catalogue.errors import SettingRefused, TaskonomyError
from taskonomy_catalogue.refusals import Problem, SpecModel, StudyRefused, problems
from taskonomy_catalogue.study_parts import (
    MEANINGS,
    Data,
    Kind,
    Metadata,
    Model,
    ObjectName,
    OptionalPlace,
    PriorityClass,
    Resources,
    Taxonomy,
    TrainingStage,
    Transfers,
)
from taskonomy_catalogue.study_tasks import Tasks
from taskonomy_catalogue.study_training import Training
from taskonomy_catalogue.tasks import Task, TaskDictionary, load_dictionary, paper_dictionary

API_VERSION = "taskonomy.dev/v1alpha1"
KIND = "Study"

MAX_TRIALS = 100_000
"""Most transfers one study may plan: ten times the first-order transfers of 100 tasks."""


def parse_study(
    document: Mapping[str, Any],
    *,
    origin: str,
    read_dictionary: Callable[[str], TaskDictionary] | None = None,
) -> "Study":
    """Return the study that a document describes, checked and self-contained.

    A tasks file that the study names is read here, once, and its tasks become part of the study:
    what is submitted needs no file beside it. A ``status`` is dropped, as it is the controller's.

    Args:
        document: the content of the file or of the custom resource, as YAML or JSON loads it.
        origin: the file's path or the object's name; every message begins with it.
        read_dictionary: reads the tasks file or URI that ``tasks.dictionary`` names
            (`dictionary_beside` does for files). None: such a study is refused, which is what a
            controller wants, as it must not read files on a stranger's word.

    Raises:
        StudyRefused: the document is not a study; its `problems` are all listed.
    """
    study = _validated(document, origin)
    named = study.spec.tasks.dictionary
    if not study.spec.tasks.is_unread:
        return study
    if read_dictionary is None:
        reason = (
            f"{named!r} is a file and cannot be read here; submit with taskonomyctl, or write its "
            "tasks under tasks.custom with dictionary: inline"
        )
        raise StudyRefused(origin, (Problem("spec.tasks.dictionary", reason),))
    try:
        tasks = read_dictionary(named)
    except TaskonomyError as error:
        raise StudyRefused(origin, (Problem("spec.tasks.dictionary", str(error)),)) from error
    return _validated(study.with_tasks_inline(tasks), origin)


def dictionary_beside(study_file: Path) -> Callable[[str], TaskDictionary]:
    """Return a reader of tasks files whose relative paths start from the study's own folder."""

    def read(named: str) -> TaskDictionary:
        if "://" in named:
            raise SettingRefused(f"{named!r} is not on this machine; download it and name the file")
        return load_dictionary(study_file.parent / named)

    return read


class Study(SpecModel):
    """What is asked: measure how these tasks transfer to one another, then choose among them."""

    api_version: Literal["taskonomy.dev/v1alpha1"]
    """Version of this format."""
    kind: Literal["Study"]
    """Always `Study`."""
    metadata: Metadata
    """Name and labels, as on every Kubernetes object."""
    spec: "StudySpec"
    """What is to be measured, with what, and within which limits."""

    @property
    def name(self) -> str:
        """The study's name."""
        return self.metadata.name

    def dictionary(self) -> TaskDictionary:
        """Return the tasks that take part, in dictionary order, each with its role in this study.

        Raises:
            SettingRefused: the study names a tasks file that has not been read (`parse_study`).
        """
        return self.spec.tasks.chosen

    def sources(self) -> tuple[Task, ...]:
        """Return S, the tasks whose encoders transfers start from, in dictionary order."""
        return tuple(task for task in self.dictionary() if task.may_be_source)

    def targets(self) -> tuple[Task, ...]:
        """Return T, the tasks that are to be solved, in dictionary order."""
        return tuple(task for task in self.dictionary() if task.may_be_target)

    def importance(self) -> dict[str, float]:
        """Return r of every target by task id, 1 where the study says nothing (section 3.4)."""
        given = self.spec.tasks.by_id(self.spec.tasks.importance)
        return {task.id: given.get(task.id, 1.0) for task in self.targets()}

    def label_cost(self) -> dict[str, float]:
        """Return ℓ of every source by task id, 1 where the study says nothing (section 3.4)."""
        given = self.spec.tasks.by_id(self.spec.tasks.label_cost)
        return {task.id: given.get(task.id, 1.0) for task in self.sources()}

    def taxonomy_orders(self) -> tuple[int, ...]:
        """Return the maximum orders to solve for: those asked, else 1 and the highest measured."""
        return self.spec.taxonomy.orders or tuple(sorted({1, self.spec.transfers.orders[-1]}))

    def with_tasks_inline(self, tasks: TaskDictionary) -> dict[str, Any]:
        """Return this study as a document whose tasks file is replaced by the tasks it held."""
        document = self.model_dump(mode="json", by_alias=True, exclude_unset=True)
        read = [task.model_dump(mode="json", exclude_unset=True) for task in tasks]
        part = document["spec"]["tasks"]
        part |= {"dictionary": "inline", "custom": [*read, *part.get("custom", [])]}
        return document


class StudySpec(SpecModel):
    """What is to be measured, with what, and within which limits."""

    tasks: Tasks = Tasks()
    """Which tasks take part and the part each plays."""
    data: Data
    """The images and labels, and how they are split."""
    model: Model = Model()
    """The networks."""
    training: Training = Training()
    """How long and how each kind of network is trained."""
    transfers: Transfers = Transfers()
    """Which transfers are measured."""
    resources: Resources = Resources()
    """What each stage's pods ask for."""
    taxonomy: Taxonomy = Taxonomy()
    """Which taxonomies are solved for once transfers are measured."""
    queue: ObjectName = ""
    """Kueue LocalQueue that Jobs are submitted to; empty: none."""
    priority_class_name: PriorityClass = ""
    """PriorityClass of the pods; empty: the cluster's default."""
    parallelism: Annotated[int, Field(strict=True, ge=1, le=5_000)] = 50
    """Most Jobs alive at once."""
    retries: Annotated[int, Field(strict=True, ge=0, le=20)] = 3
    """Times a failed trial is tried again; evictions and bad trials do not count."""
    gpu_hours: Annotated[float, Field(strict=True, gt=0, le=1e8)] | None = None
    """GPU hours after which no further trial starts; absent: no ceiling."""
    stage: TrainingStage | None = None
    """Train this stage and what it needs, and no more; absent: every stage."""
    suspend: Annotated[bool, Field(strict=True)] = False
    """Whether to free all GPUs and start nothing; false again goes on where it stopped."""
    artifacts: OptionalPlace = ""
    """Folder or URI under which every trial leaves its results; empty: the installation's."""
    tracking: OptionalPlace = ""
    """MLflow tracking URI; empty: the installation's."""

    def rules(self) -> Iterator[Problem]:
        """Yield the rules between parts: orders, batch sizes by task, the number of trials."""
        highest = self.transfers.orders[-1]
        if max(self.taxonomy.orders, default=1) > highest:
            reason = f"no transfer above order {highest} is measured; raise transfers.orders"
            yield Problem("taxonomy.orders", reason)
        if not self.tasks.is_unread:
            yield from self._rules_of_dictionary()

    def _rules_of_dictionary(self) -> Iterator[Problem]:
        yield from self._named_in_batch_sizes()
        yield from self._adversary_has_a_task()
        unreachable = list(self._orders_have_sources())
        yield from unreachable or self._few_enough()

    def _named_in_batch_sizes(self) -> Iterator[Problem]:
        """Dictionary rule; the paper's own names pass anywhere, as the defaults hold some."""
        for part in ("task_specific", "scratch", "transfer"):
            given = getattr(self.training, part).batch_sizes
            field = f"training.{to_camel(part)}.batchSizes"
            wrong = [
                problem
                for name in given
                if name not in paper_dictionary()
                for problem in self.tasks.unknown(name, f"{field}.{name}")
            ]
            yield from wrong or self.tasks.given_twice(given, field)

    def _adversary_has_a_task(self) -> Iterator[Problem]:
        """Dictionary rule: an adversary is asked for where some network predicts an image."""
        asked = self.training.task_specific.adversarial
        if asked and not any(task.predicts_image for task in self.tasks.chosen):
            reason = "no task of this study predicts an image; remove it"
            yield Problem("training.taskSpecific.adversarial", reason)

    def _orders_have_sources(self) -> Iterator[Problem]:
        """Dictionary rule: every target has as many sources to combine as the highest order."""
        order = self.transfers.orders[-1]
        usable = {
            target.id: len(self.usable_sources(target, order))
            for target in self.tasks.chosen
            if target.may_be_target
        }
        poorest = min(usable, key=usable.__getitem__)
        if usable[poorest] < order:
            reason = (
                f"order {order} combines {order} sources and target {poorest!r} has "
                f"{usable[poorest]} to draw on; leave higher orders out or add sources"
            )
            yield Problem("transfers.orders", reason)

    def _few_enough(self) -> Iterator[Problem]:
        planned = sum(map(self.transfers_of_order, self.transfers.orders))
        planned *= len(self.training.transfer.seeds)
        if planned > MAX_TRIALS:
            reason = (
                f"{planned:,} transfers are planned and a study holds at most {MAX_TRIALS:,}; "
                "leave out high orders, or use candidates: paper or a narrower beam"
            )
            yield Problem("transfers", reason)

    @cached_property
    def batch_sizes(self) -> dict[Kind, dict[str, int]]:
        """The batch sizes of single tasks, by kind of network and task id."""
        return {
            kind: self.tasks.by_id(self.training.of(kind).batch_sizes) for kind in get_args(Kind)
        }

    def usable_sources(self, target: Task, order: int) -> tuple[Task, ...]:
        """Return the sources a transfer of an order to a target may use, in dictionary order.

        A target's own encoder is measured at order 1, as the paper did, unless the study says
        otherwise (`transfers.ownEncoder`).
        """
        own = self.transfers.uses_own_encoder(order)
        return tuple(t for t in self.tasks.chosen if t.may_be_source and (own or t.id != target.id))

    def transfers_of_order(self, order: int) -> int:
        """Return how many transfers of an order the study plans, over all targets, per seed."""
        usable = [
            len(self.usable_sources(target, order))
            for target in self.tasks.chosen
            if target.may_be_target
        ]
        return sum(comb(self.transfers.pool(order, n), order) for n in usable)


def _validated(document: Mapping[str, Any], origin: str) -> Study:
    if not isinstance(document, Mapping):
        reason = f"a study is a mapping that begins with apiVersion: {API_VERSION}"
        raise StudyRefused(origin, (Problem("", reason),))
    given = {key: value for key, value in document.items() if key != "status"}
    try:
        return Study.model_validate(given, by_alias=True, by_name=False)
    except ValidationError as error:
        raise StudyRefused(origin, tuple(problems(error, Study, MEANINGS))) from error
