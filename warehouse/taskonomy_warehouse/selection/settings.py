"""What a solve is asked: roles, importance, costs, exponent. Typed, checked, kept as JSON."""

import hashlib
from collections.abc import Iterable
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_catalogue.tasks import Role, TaskDictionary

DEFAULT_SCENARIO = "default"


def _in_order(values: dict[str, float]) -> dict[str, float]:
    return dict(sorted(values.items()))


Values = Annotated[dict[str, float], AfterValidator(_in_order)]
"""A number per name, in alphabetical order: the order of a file's lines is no setting."""


class TransferCost(BaseModel):
    """τ: what one transfer costs on top of its sources' labels; a target's own network costs none.

    The most particular entry counts: a transfer's own, else its target's, else the default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    default: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Cost of a transfer that no entry names."""
    by_target: Values = {}
    """Cost of any transfer to a target, by target."""
    by_transfer: Values = {}
    """Cost of one transfer, by ``target<=source+source``, sources in alphabetical order."""

    def of(self, target: str, sources: Iterable[str]) -> float:
        """Return the cost of the transfer from these sources to the target."""
        default = self.by_target.get(target, self.default)
        return self.by_transfer.get(self.key(target, sources), default)

    @staticmethod
    def key(target: str, sources: Iterable[str]) -> str:
        """Return the key of a transfer in ``by_transfer``."""
        return f"{target}<={'+'.join(sorted(sources))}"


class Settings(BaseModel):
    """Everything that decides which taxonomy is best, but the budget and the order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source_only: tuple[str, ...] = ()
    """Tasks that need no solving, on top of the study's own."""
    target_only: tuple[str, ...] = ()
    """Tasks that cannot be labelled in full, so that nothing transfers from them."""
    exclude: tuple[str, ...] = ()
    """Tasks left out altogether, and every transfer that stands on one."""
    use: tuple[str, ...] = ()
    """Tasks the study leaves unused by default, taken in."""
    importance: Values = {}
    """r: weight of a target in the objective; 1 unless given."""
    label_cost: Values = {}
    """ℓ: cost of supervising a source; 1 unless given."""
    transfer_cost: TransferCost = TransferCost()
    """τ: cost of a transfer on top; 0 unless given."""
    affinity_exponent: float = Field(default=0.5, gt=0, le=4, allow_inf_nan=False)
    """γ: the objective adds affinity^γ; the paper's figures were made with 0.5."""
    sources_serve_themselves: bool = False
    """A target chosen as a source is served by its own task-specific network."""
    allow_own_transfer: bool = False
    """Take transfers whose sources include their own target."""

    @model_validator(mode="after")
    def _each_task_has_one_role(self) -> Self:
        seen: dict[str, str] = {}
        for option, tasks in self._roles().items():
            for task in tasks:
                if seen.setdefault(task, option) != option:
                    raise SettingRefused(
                        f"{task!r} is named by --{seen[task]} and by --{option}; keep one"
                    )
        return self

    def _roles(self) -> dict[str, tuple[str, ...]]:
        return {
            "source-only": self.source_only,
            "target-only": self.target_only,
            "exclude": self.exclude,
            "use": self.use,
        }

    def role(self, task: str, study_role: Role) -> Role:
        """Return the part a task plays under these settings."""
        if task in self.exclude:
            return "unused"
        if task in self.source_only:
            return "source-only"
        if task in self.target_only:
            return "target-only"
        return "both" if task in self.use else study_role

    @property
    def scenario(self) -> str:
        """Return ``default`` for default settings, else a short name made from the settings."""
        if self == Settings():
            return DEFAULT_SCENARIO
        return "s-" + hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:8]


def resolved_tasks(names: Iterable[str], dictionary: TaskDictionary) -> tuple[str, ...]:
    """Return the ids of the tasks a user named, each once, in dictionary order.

    Raises:
        UnknownTask: a name that no task answers to.
    """
    wanted = {dictionary.resolve(name).id for name in names}
    return tuple(task.id for task in dictionary if task.id in wanted)
