"""The index: which files there are, listed once and remembered.

Millions of files are feasible because a folder is listed with one `os.scandir` and no file is
opened or asked for its size. Listings are kept per domain in the data set's cache folder; a
building's is trusted as long as `Listing.changed` holds: the modification time of its folder,
which adding, removing or renaming a file moves, or of its first or last file if that is later,
which writing the data set anew in place moves.

The *table of views* is every view that has an RGB image, sorted by building, point and view; a row
of it is how everything else speaks of a view.
"""

import os
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import numpy as np

from taskonomy_catalogue.errors import NotFound
from taskonomy_jobs.data.keys import U64, folded, name_key, words
from taskonomy_jobs.data.layout import (
    ALL_VIEWS,
    DOMAINS,
    OMNIDATA_COMPONENT,
    SPLITS_FOLDER,
    Domain,
    Layout,
    domain_folder,
    view_file,
)
from taskonomy_jobs.data.storage import cache_folder, keep_arrays, kept_arrays

Array = np.ndarray[Any, Any]

SETTLED_NS = 2_000_000_000
"""A folder changed more recently than this may change again within one tick of its clock, so its
listing is not kept."""
LISTERS = 16
"""Folders listed at once: a network file system answers each slowly and many together."""
_VIEW_BITS = 20
_NAME = re.compile(r"point_(0|[1-9]\d{0,8})_view_(0|[1-9]\d{0,5}|all)_domain_(\w+)\.(png|npy|json)")


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of one domain in one building."""

    folder: str
    """Which of the domain's folders they are in; empty: it has none."""
    stem: str
    """Which of the domain's stems their names have."""
    suffix: str
    """Their ending."""
    changed: int
    """The latest modification, ns, of the folder and of its first and last file."""
    others: int
    """Files in the folder that are not the domain's."""
    keys: Array
    """int64, sorted: point and view of each; the view of a point's own file is the largest."""


EMPTY = Listing("", "", "", 0, 0, np.zeros(0, np.int64))
_ALL = (1 << _VIEW_BITS) - 1


class Index:
    """The files of a data set."""

    def __init__(self, root: Path, layout: Layout) -> None:
        self.root, self.layout = root, layout
        self.buildings = tuple(_buildings(root, layout))
        """Every building that has a folder of RGB images, sorted."""
        if not self.buildings:
            raise NotFound(_no_buildings(root, layout))
        self._listings: dict[str, list[Listing]] = {}
        self._folders: dict[tuple[str, int], str] = {}
        self._has: dict[str, Array] = {}

    def listings(self, domain: str) -> list[Listing]:
        """Return the domain's listing in each building, by the order of `buildings`."""
        if domain not in self._listings:
            self._listings[domain] = _listed(self, domain_named(domain))
        return self._listings[domain]

    @cached_property
    def view_keys(self) -> Array:
        """Return int64 (V,): point and view of each row, sorted within its building."""
        return np.concatenate([listing.keys for listing in self.listings("rgb")])

    @cached_property
    def starts(self) -> Array:
        """Return int64 (B + 1,): the rows of building b are those from starts[b] to starts[b+1]."""
        sizes = [len(listing.keys) for listing in self.listings("rgb")]
        return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)

    @cached_property
    def building(self) -> Array:
        """Return int64 (V,): the building's number of each row."""
        return np.repeat(np.arange(len(self.buildings)), np.diff(self.starts))

    @cached_property
    def point(self) -> Array:
        """Return int64 (V,): the point's number of each row."""
        return self.view_keys >> _VIEW_BITS

    @cached_property
    def view(self) -> Array:
        """Return int64 (V,): the view's number of each row."""
        return self.view_keys & _ALL

    @cached_property
    def ids(self) -> U64:
        """Return uint64 (V,): the key of each view's name, the same wherever the data set is."""
        names = np.array([name_key(name) for name in self.buildings], np.uint64)
        return folded(names[self.building], words(self.point), words(self.view))

    @cached_property
    def point_ids(self) -> U64:
        """Return uint64 (V,): the key of the name of each view's point."""
        names = np.array([name_key(name) for name in self.buildings], np.uint64)
        return folded(names[self.building], words(self.point))

    def __len__(self) -> int:
        return len(self.view_keys)

    def has(self, domain: str) -> Array:
        """Return bool (V,), read-only: whether each view has a file of a domain."""
        if domain not in self._has:
            found = [
                np.isin(rgb.keys, other.keys, assume_unique=True)
                for rgb, other in zip(self.listings("rgb"), self.listings(domain), strict=True)
            ]
            self._has[domain] = np.concatenate(found)
            self._has[domain].flags.writeable = False
        return self._has[domain]

    def rows_of(self, buildings: Sequence[str]) -> Array:
        """Return int64: the rows of some buildings; those that are not there have none."""
        number = {name: b for b, name in enumerate(self.buildings)}
        spans = [
            np.arange(self.starts[number[name]], self.starts[number[name] + 1])
            for name in sorted(set(buildings))
            if name in number
        ]
        return np.concatenate([np.zeros(0, np.int64), *spans])

    def row(self, building: str, point: int, view: int) -> int | None:
        """Return the row of a view, None if it has no RGB image."""
        if building not in self.buildings:
            return None
        b = self.buildings.index(building)
        key, keys = view_key(point, view), self.listings("rgb")[b].keys
        place = int(np.searchsorted(keys, key))
        found = place < len(keys) and keys[place] == key
        return int(self.starts[b]) + place if found else None

    def path(self, domain: str, row: int) -> Path:
        """Return the path of a view's file; of one that is not there, the path it should have."""
        return Path(self.place(domain, row))

    def place(self, domain: str, row: int) -> str:
        """Return `path` as text: making a `Path` takes as long as a tenth of decoding 64 pixels."""
        b = int(self.building[row])
        return self._place(domain, b, int(self.point[row]), int(self.view[row]))

    def file(self, domain: str, building: int, point: int, view: int | str) -> Path:
        """Return the path of a file of a building, by its number."""
        return Path(self._place(domain, building, point, view))

    def _place(self, domain: str, building: int, point: int, view: int | str) -> str:
        folder = self._folders.get((domain, building))
        listing, kind = self.listings(domain)[building], domain_named(domain)
        if folder is None:
            name = self.buildings[building]
            folder = str(domain_folder(self.root, self.layout, name, kind, listing.folder or None))
            self._folders[domain, building] = folder
        return f"{folder}/{_file_name(kind, listing, point, view)}"

    def path_of_key(self, domain: str, building: int, key: int) -> Path:
        """Return the path of a listed file, from its key in the listing."""
        view = ALL_VIEWS if key & _ALL == _ALL else key & _ALL
        return self.file(domain, building, key >> _VIEW_BITS, view)

    def points_with(self, domain: str, building: int) -> Array:
        """Return int64: the points of a building that have a file of their own in a domain."""
        keys = self.listings(domain)[building].keys
        return np.asarray(keys[(keys & _ALL) == _ALL] >> _VIEW_BITS)

    def name(self, row: int) -> str:
        """Return what a reader calls a view: building, point and view."""
        b = self.buildings[int(self.building[row])]
        return f"{b}/point_{self.point[row]}_view_{self.view[row]}"


def view_key(point: "int | Array", view: "int | Array") -> Any:
    """Return point and view as one whole number, in the order of the table of views."""
    return (point << _VIEW_BITS) | view


def domain_named(name: str) -> Domain:
    """Return a domain; a name that is not the data set's is a user's own, with any suffix."""
    return DOMAINS.get(name) or Domain(name, (name,), (name,), "png", None, 0, 0, "a user's own")


# --- listing -----------------------------------------------------------------------------------


def _buildings(root: Path, layout: Layout) -> list[str]:
    rgb = DOMAINS["rgb"].folders[0]
    parent = root if layout == "taskonomy" else root / rgb / OMNIDATA_COMPONENT
    try:
        names = [entry.name for entry in os.scandir(parent) if entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise NotFound(f"{parent}: {error.strerror}; name the data set's folder") from error
    names = [name for name in names if not name.startswith(".") and name != SPLITS_FOLDER]
    if layout == "taskonomy":
        names = [name for name in names if (root / name / rgb).is_dir()]
    return sorted(names)


def _no_buildings(root: Path, layout: Layout) -> str:
    """Return the complaint, with the layout that the folder has if it has one."""
    place = domain_folder(root, layout, "<building>", DOMAINS["rgb"])
    said = f"{root}: no building has a folder of RGB images in the {layout} layout ({place})"
    for other in get_args(Layout):
        if other != layout and _buildings(root, other):
            return f"{said}; it has the {other} layout: say so"
    return f"{said}; name the data set's folder, and the layout it has: taskonomy or omnidata"


def _listed(index: Index, domain: Domain) -> list[Listing]:
    """Return the domain's listings: those kept that still hold, the others made anew and kept."""
    path = cache_folder(index.root) / "index" / f"{index.layout}-{domain.name}.npz"
    kept = _kept(path)

    def listing(building: str) -> Listing:
        return _building_listing(index, domain, building, kept.get(building, EMPTY))

    with ThreadPoolExecutor(LISTERS) as pool:
        found = list(pool.map(listing, index.buildings))
    new = dict(zip(index.buildings, found, strict=True))
    if any(new[name] is not kept.get(name) for name in new):
        settled = time.time_ns() - SETTLED_NS
        _keep_listings(path, {n: item for n, item in new.items() if 0 < item.changed < settled})
    return found


def _building_listing(index: Index, domain: Domain, building: str, kept: Listing) -> Listing:
    for name in domain.folders:
        folder = domain_folder(index.root, index.layout, building, domain, name)
        try:
            changed = folder.stat().st_mtime_ns
        except OSError:
            continue
        if kept.folder == name and kept.changed == _touched(folder, domain, kept, changed):
            return kept
        listing = _scanned(folder, name, domain)
        return replace(listing, changed=_touched(folder, domain, listing, changed))
    return EMPTY


def _touched(folder: Path, domain: Domain, listing: Listing, changed: int) -> int:
    """Return the latest modification, ns, of a folder and of the ends of its listing."""
    for key in {int(key) for key in listing.keys[[0, -1]]} if len(listing.keys) else ():
        view = ALL_VIEWS if key & _ALL == _ALL else key & _ALL
        name = _file_name(domain, listing, key >> _VIEW_BITS, view)
        try:
            changed = max(changed, folder.joinpath(name).stat().st_mtime_ns)
        except OSError:
            return -1  # it went away: list anew
    return changed


def _scanned(folder: Path, name: str, domain: Domain) -> Listing:
    by_form: dict[tuple[str, str], list[int]] = {}
    others = 0
    for entry in os.scandir(folder):
        match = _NAME.fullmatch(entry.name)
        if match is None or match[3] not in domain.stems:
            others += not entry.name.startswith(".")
            continue
        view = _ALL if match[2] == ALL_VIEWS else int(match[2])
        by_form.setdefault((match[3], match[4]), []).append(view_key(int(match[1]), view))
    if domain.name in DOMAINS:
        others += sum(len(keys) for form, keys in by_form.items() if form[1] != domain.suffix)
        by_form = {form: keys for form, keys in by_form.items() if form[1] == domain.suffix}
    if not by_form:
        return replace(EMPTY, folder=name, others=others)
    form = min(by_form, key=lambda form: (-len(by_form[form]), domain.stems.index(form[0]), form))
    others += sum(len(keys) for other, keys in by_form.items() if other != form)
    keys = np.array(sorted(by_form[form]), np.int64)
    return Listing(name, form[0], form[1], 0, others, keys)


def _file_name(domain: Domain, listing: Listing, point: int, view: int | str) -> str:
    """Return a file's name as the listing's files are called, as written if it has none."""
    name = view_file(domain, point, view, listing.stem or None)
    return f"{name.rpartition('.')[0]}.{listing.suffix or domain.suffix}"


_FIELDS: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("folder", str),
    ("stem", str),
    ("suffix", str),
    ("changed", int),
    ("others", int),
)


def _kept(path: Path) -> dict[str, Listing]:
    columns = kept_arrays(path)
    if not columns:
        return {}
    keys = np.split(columns["keys"], np.cumsum(columns["size"])[:-1])
    return {
        str(building): Listing(
            **{name: make(columns[name][b]) for name, make in _FIELDS},
            keys=np.asarray(keys[b], np.int64),
        )
        for b, building in enumerate(columns["building"])
    }


def _keep_listings(path: Path, listings: dict[str, Listing]) -> None:
    if not listings:
        return
    columns = {name: np.array([getattr(i, name) for i in listings.values()]) for name, _ in _FIELDS}
    columns["building"] = np.array(list(listings))
    columns["size"] = np.array([len(item.keys) for item in listings.values()])
    columns["keys"] = np.concatenate([item.keys for item in listings.values()])
    keep_arrays(path, columns)
