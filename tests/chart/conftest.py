"""The control plane that judges what the chart renders; see `plane_fixtures`."""

from plane_fixtures import (
    control_plane,
    kube,
    namespace,
    own_control_plane,
    pytest_runtest_makereport,
)

__all__ = [
    "control_plane",
    "kube",
    "namespace",
    "own_control_plane",
    "pytest_runtest_makereport",
]
