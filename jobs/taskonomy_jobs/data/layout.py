"""What the Taskonomy data set calls things: folders, files, JSON fields, bit depths and units.

The names are those of the published data (StanfordVL/taskonomy `data/README.md`, its public sample
building, and the Omnidata release of the same images). Where the releases disagree, every name is
read and the first one listed is written. Two arrangements of the same files::

    taskonomy   <root>/<building>/<domain>/point_P_view_V_domain_D.png
    omnidata    <root>/<domain>/taskonomy/<building>/point_P_view_V_domain_D.png

A *point* is a spot on a surface that several cameras look at; a *view* of it is one such camera,
turned so that the point is in the middle of the image. P is the point's number, V the view's.

**Camera frame** (Blender's, as published): x right, y up, the camera looks along −z. A camera's
`camera_rotation_final` are Euler angles `sxyz` in radians of the rotation R that takes camera
coordinates to the world's: ``p_world = R @ p_camera + camera_location``, with
``R = Rz(c) @ Ry(b) @ Rx(a)`` for angles (a, b, c). The world's z is up; lengths are metres.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Layout = Literal["taskonomy", "omnidata"]
Pixels = Literal["colour", "response", "depth", "ids"]
"""How an image file is scaled down: by area, by area, by area over valid pixels, by nearest."""

OMNIDATA_COMPONENT = "taskonomy"
"""The folder between domain and building in the Omnidata arrangement."""


@dataclass(frozen=True, slots=True)
class Domain:
    """One kind of file that the data set has for every view (or every point)."""

    name: str
    """What a task's `folder` calls it."""
    folders: tuple[str, ...]
    """Folders it is found in; the first one is written."""
    stems: tuple[str, ...]
    """What stands for D in the file name; the first one is written."""
    suffix: Literal["png", "npy", "json"]
    """Ending of its files."""
    pixels: Pixels | None
    """How its pixels are scaled; None if it has none."""
    channels: int
    """Channels written and read of an image; numbers in a vector; 0 for JSON."""
    bits: int
    """Bits of a channel of an image; 0 if it has none."""
    unit: str
    """What a stored value means."""


def _image(
    name: str, pixels: Pixels, channels: int, bits: int, unit: str, *stems: str
) -> tuple[str, Domain]:
    return name, Domain(name, (name,), stems or (name,), "png", pixels, channels, bits, unit)


DOMAINS: dict[str, Domain] = dict(
    (
        _image("rgb", "colour", 3, 8, "sRGB"),
        _image(
            "depth_euclidean", "depth", 1, 16, "distance to the camera, 1/512 m; 65535 is invalid"
        ),
        _image(
            "depth_zbuffer", "depth", 1, 16, "depth along −z, 1/512 m; 64500 and above is invalid"
        ),
        _image(
            "normal",
            "colour",
            3,
            8,
            "unit normal towards the camera in camera axes (x right, y up, z back), 127 + 127 n",
        ),
        _image(
            "principal_curvature",
            "colour",
            3,
            8,
            "both principal curvatures in channels 0 and 1, 127 is flat; channel 2 is unused",
        ),
        _image("reshading", "colour", 3, 8, "shading by a light at the camera; all channels equal"),
        _image("edge_texture", "response", 1, 16, "share of full scale; [0, 0.08] is used"),
        _image("edge_occlusion", "response", 1, 16, "share of full scale; [0, 0.00625] is used"),
        _image("keypoints2d", "response", 1, 16, "share of full scale; [0, 0.005] is used"),
        _image("keypoints3d", "response", 1, 16, "share of full scale"),
        _image("segment_unsup2d", "ids", 1, 8, "superpixel number"),
        _image("segment_unsup25d", "ids", 1, 8, "superpixel number"),
        _image(
            "segment_semantic",
            "ids",
            1,
            8,
            "0 uncertain, 1 background, from 2 on the classes of SEMANTIC_CLASSES",
            "segmentsemantic",
            "segment_semantic",
        ),
        (
            "class_object",
            Domain(
                "class_object",
                ("class_object",),
                ("class_object",),
                "npy",
                None,
                1000,
                0,
                "float vector: probabilities, or logits if it does not sum to one",
            ),
        ),
        (
            "class_scene",
            Domain(
                "class_scene",
                ("class_scene",),
                ("class_places", "class_scene"),
                "npy",
                None,
                63,
                0,
                "float vector of probabilities; the published 365 are cut to SCENE_CLASSES_KEPT",
            ),
        ),
        (
            "points",
            Domain(
                "points",
                ("points", "point_info"),
                ("fixatedpose", "point_info"),
                "json",
                None,
                0,
                0,
                "one object a view: the fields named in `PointFields`",
            ),
        ),
        (
            "nonfixated_matches",
            Domain(
                "nonfixated_matches",
                ("nonfixated_matches",),
                ("nonfixated_matches", "nonfixatedpose"),
                "json",
                None,
                0,
                0,
                "one object a point: the views of other points that see it (`MatchFields`)",
            ),
        ),
    )
)
"""Every domain, by name."""

ALL_VIEWS = "all"
"""Stands for V in the name of a file that belongs to a point: nonfixated_matches."""

DEPTH_UNITS_PER_METRE = 512
DEPTH_INVALID = 65_535
"""Stored where a ray met nothing."""
ZBUFFER_INVALID_FROM = 64_500
"""The published networks mask z-buffer depth from here on."""
NORMAL_ZERO = 127
CURVATURE_ZERO = 127


class PointFields:
    """Fields of a view's JSON in `points`. The published files have more; these are read."""

    location = "camera_location"
    """[x, y, z] of the camera in the world, metres."""
    rotation = "camera_rotation_final"
    """[a, b, c] Euler sxyz of camera to world, radians."""
    field_of_view = "field_of_view_rads"
    """Full angle of view, the same across and down, radians."""
    point_location = "point_location"
    """[x, y, z] of the point in the middle of the image, world, metres."""
    box = "bounding_box_ranges"
    """{"x": [lo, hi], "y": …, "z": …} of the room, metres. As published, **its x is the world's y
    and its y the world's x** (see `BOX_AXES`). Absent: the view has no room layout."""
    vanishing = "vanishing_points_gaussian_sphere"
    """{"x": [dx, dy, dz], "y": …, "z": …}: unit directions of the three Manhattan axes in the
    camera's frame; z is up. Absent: the view has no vanishing points."""
    point = "point_uuid"
    """The point's number, as text."""
    view = "view_id"
    """The view's number."""
    camera = "camera_uuid"
    """Which camera; views of several points from one spot share it."""
    resolution = "resolution"
    """Side of the square image, pixels."""
    others_in_view = "nonfixated_points_in_view"
    """Numbers of other points that this view sees."""
    also_published = (
        "camera_distance",
        "camera_rotation_original",
        "camera_rotation_from_original_to_final",
        "model_rotation_degrees",
        "obliqueness_angle",
        "point_normal",
        "point_pitch",
        "room",
        "vanishing_points_image",
    )
    """Other fields the published files have, in the units their names say; none is read."""


class MatchFields:
    """Fields of a point's JSON in `nonfixated_matches`."""

    point = "point_uuid"
    """The point's number, as text."""
    point_location = "point_location"
    """[x, y, z] of the point, world, metres."""
    views = "views"
    """List of objects, one a view of *another* point that sees this one unoccluded:
    `view_point`, `view`, `camera_uuid`, `pixel_x`, `pixel_y`."""
    view_point = "point_uuid"
    """Number of the point that the seeing view is fixated on, as text."""
    view = "view_id"
    """Number of the seeing view."""
    camera = "camera_uuid"
    pixel_x = "nonfixated_pixel_x"
    """Where in the seeing view's image the point is: column from the left."""
    pixel_y = "nonfixated_pixel_y"
    """Row from the top."""


BOX_AXES = {"x": 1, "y": 0, "z": 2}
"""World axis (0 x, 1 y, 2 z) whose range each key of `bounding_box_ranges` holds, as published."""

SEMANTIC_CLASSES = (
    "background",
    "bottle",
    "chair",
    "couch",
    "potted plant",
    "bed",
    "dining table",
    "toilet",
    "tv",
    "microwave",
    "oven",
    "toaster",
    "sink",
    "refrigerator",
    "book",
    "clock",
    "vase",
)
"""Names of the stored values 1 to 17 of segment_semantic; a network's class is the value less 1."""


def view_file(domain: Domain, point: int, view: int | str, stem: str | None = None) -> str:
    """Return a file's name; without `stem` the name that is written.

    >>> view_file(DOMAINS["rgb"], 3, 0)
    'point_3_view_0_domain_rgb.png'
    >>> view_file(DOMAINS["nonfixated_matches"], 3, ALL_VIEWS)
    'point_3_view_all_domain_nonfixated_matches.json'
    """
    return f"point_{point}_view_{view}_domain_{stem or domain.stems[0]}.{domain.suffix}"


def domain_folder(
    root: Path, layout: Layout, building: str, domain: Domain, folder: str | None = None
) -> Path:
    """Return the folder of a building's files of a domain; without `folder` the one written."""
    name = folder or domain.folders[0]
    if layout == "taskonomy":
        return root / building / name
    return root / name / OMNIDATA_COMPONENT / building


SPLITS_FOLDER = "splits"
"""Where a data set's own split files lie: ``<root>/splits/<name>.csv``."""
SPLIT_COLUMNS = ("id", "train", "val", "test")
"""Header of a split file; one row a building, 0 or 1 in the other columns."""
