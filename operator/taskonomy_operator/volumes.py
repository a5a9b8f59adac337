"""What a training pod has on disk and in memory: trials, data, results, /dev/shm, /tmp."""

from typing import Any

from taskonomy_operator import trial_file
from taskonomy_operator.installation import Installation, Mount


def volumes(installation: Installation, shm: str) -> list[dict[str, Any]]:
    """Return the pod's volumes.

    Args:
        installation: says which claims hold data sets and results.
        shm: size of /dev/shm. Data loaders hand batches over in it, and a container's own is 64
            MiB; what is written there counts as the pod's memory.
    """
    return [
        trial_file.trials_volume(),
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": shm}},
        {"name": "tmp", "emptyDir": {"sizeLimit": installation.tmp_size}},
        *map(volume_of, installation.mounts),
    ]


def volume_mounts(installation: Installation) -> list[dict[str, Any]]:
    """Return where the container sees them."""
    return [
        trial_file.trials_mount(),
        {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108 - that is where it is
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a volume of the pod's own
        *map(mount_of, installation.mounts),
    ]


def volume_of(mount: Mount) -> dict[str, Any]:
    """Return the volume of a mount that the installation asks for."""
    if mount.host_path:
        return {"name": mount.name, "hostPath": {"path": mount.host_path}}
    claim: dict[str, Any] = {"claimName": mount.claim}
    if mount.read_only:
        claim["readOnly"] = True
    return {"name": mount.name, "persistentVolumeClaim": claim}


def mount_of(mount: Mount) -> dict[str, Any]:
    """Return where a container sees it."""
    seen: dict[str, Any] = {"name": mount.name, "mountPath": mount.path}
    if mount.sub_path:
        seen["subPath"] = mount.sub_path
    if mount.read_only:
        seen["readOnly"] = True
    return seen
