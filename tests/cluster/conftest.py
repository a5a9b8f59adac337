"""The control plane of the cluster tests, and a namespace for each of them."""

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
