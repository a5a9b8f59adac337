"""A study sent to a cluster: created, or changed to what is asked now; said before it is done."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from taskonomy_catalogue.errors import SettingRefused
from taskonomy_catalogue.launch import local_path
from taskonomy_catalogue.study import Study, parse_study
from taskonomy_catalogue.study_trials import count_trials
from taskonomy_operator.asked import PlanStage
from taskonomyctl.cluster_runs import looks, where
from taskonomyctl.output import say
from taskonomyctl.places import Place
from taskonomyctl.runs import Submission

if TYPE_CHECKING:  # they load the Kubernetes client
    from taskonomy_operator.seen_on_cluster import Namespace
    from taskonomy_operator.study_object import StudyObject

EXIT_STOPPED = 130
KEPT = ("suspend",)
"""Fields of the spec that stay as they are on the cluster where the file does not name them."""


def send(
    place: Place, given: Submission, stage: PlanStage | None, *, dry_run: bool, wait: bool
) -> int:
    """Send a study; return the exit code.

    Raises:
        SettingRefused: the file names another namespace.
        TaskonomyError: the server refuses it.
    """
    place = _place(place, given.study)
    given = with_stage(given, stage)
    document = _document(given.study, place)
    _warn(given.study)
    space = place.open()
    found = space.study_if_any(given.study.name)
    if found is None:
        _create(space, place, document, given.study, dry_run)
    else:
        _change(space, place, found, document, dry_run)
    if dry_run or not wait:
        return 0
    return _wait(place, given.study.name)


def with_stage(given: Submission, stage: PlanStage | None) -> Submission:
    """Return a study that ends with a stage; None: as its file says."""
    if stage is None:
        return given
    document = given.study.model_dump(mode="json", by_alias=True, exclude_unset=True)
    document["spec"]["stage"] = stage
    return replace(given, study=parse_study(document, origin=given.origin))


def _place(place: Place, study: Study) -> Place:
    """Return the namespace that is named, in the file or by the option."""
    written = study.metadata.namespace
    if not written or written == place.namespace:
        return place
    if place.is_named:
        raise SettingRefused(
            f"study {study.name!r} is of namespace {written!r} and --namespace says "
            f"{place.namespace!r}; leave one out"
        )
    return replace(place, namespace=written)


def _document(study: Study, place: Place) -> dict[str, Any]:
    document = study.model_dump(mode="json", by_alias=True, exclude_unset=True)
    document["metadata"]["namespace"] = place.namespace
    return document


def _warn(study: Study) -> None:
    """Say what a pod will not find: paths that start from this folder."""
    places = {"data.dataset": study.spec.data.dataset, "artifacts": study.spec.artifacts}
    for field, named in places.items():
        if named and "://" not in named and not local_path(named).is_absolute():
            say(
                f"spec.{field} {named!r} is no absolute path: in a pod it starts from the image's "
                "own folder"
            )


def _create(
    space: "Namespace", place: Place, document: dict[str, Any], study: Study, dry_run: bool
) -> None:
    space.create(document, dry_run=dry_run)
    trials = sum(count_trials(study).values())
    told = f"study {study.name!r}: {len(study.dictionary())} tasks, {trials:,} networks"
    if dry_run:
        say(f"{told}; it would be created in {where(place)}, and the server accepts it")
        return
    say(f"{told}; created in {where(place)}")
    _what_next(study.name)


def _what_next(name: str) -> None:
    say(f"`taskonomyctl watch {name}` shows it, `taskonomyctl why {name}` says what it waits for")


def _change(
    space: "Namespace",
    place: Place,
    found: "StudyObject",
    document: dict[str, Any],
    dry_run: bool,
) -> None:
    change = change_of(found.raw, document)
    would = space.change(found.name, change, dry_run=True)
    lines = list(differences(found.spec, would.spec))
    for line in lines:
        click.echo(line)
    told = f"study {found.name!r} in {where(place)}"
    if dry_run:
        said = "would be changed so" if lines else "is as asked: nothing would change"
        say(f"{told} {said}")
        return
    space.change(found.name, change)
    say(f"{told} {'is changed' if lines else 'is as asked: nothing to change'}")
    if would.is_suspended:
        say(f"it is suspended: `taskonomyctl resume {found.name}` goes on")
    _what_next(found.name)


def change_of(now: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the merge patch that makes a Study what a file asks; what it leaves out is default.

    Args:
        now: the Study on the server.
        wanted: the file's document.
    """
    spec = dict(now.get("spec") or {})
    kept = {name: spec[name] for name in KEPT if name in spec}
    change: dict[str, Any] = {
        "metadata": {"uid": now["metadata"]["uid"]},  # not one made since under its name
        "spec": merge_patch(spec, {**kept, **wanted["spec"]}),
    }
    for part in ("labels", "annotations"):
        if wanted["metadata"].get(part):
            change["metadata"][part] = wanted["metadata"][part]
    return change


def merge_patch(now: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the merge patch (RFC 7396) that turns one object into another."""
    change: dict[str, Any] = {name: None for name in now if name not in wanted}
    for name, value in wanted.items():
        before = now.get(name)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            change |= {name: inner} if (inner := merge_patch(before, value)) else {}
        elif name not in now or before != value:
            change[name] = value
    return change


def differences(now: Any, then: Any, path: str = "spec") -> Iterator[str]:
    """Yield a line for every field that differs."""
    if isinstance(now, Mapping) and isinstance(then, Mapping):
        for name in dict.fromkeys([*now, *then]):
            yield from differences(now.get(name), then.get(name), f"{path}.{name}")
    elif now != then:
        yield f"{path}: {_shown(now)} → {_shown(then)}"


def _shown(value: Any) -> str:
    return "(not set)" if value is None else str(value)


def _wait(place: Place, name: str) -> int:
    from taskonomyctl.commands.watch import show_until_over

    try:
        return show_until_over(looks(place, name, 1.0))
    except KeyboardInterrupt:
        say(
            f"study {name!r} goes on without you: `taskonomyctl watch {name}` shows it, "
            f"`taskonomyctl suspend {name}` stops it"
        )
        return EXIT_STOPPED
