"""What a training pod may not do: everything Pod Security's `restricted` profile forbids, and more.

A trial runs code and reads checkpoints that somebody else may have made, so its container has no
token of the API server, no root, no capability, and a file system it can write to only where a
volume says so.
"""

from typing import Any

NOBODY = 65532
"""User and group of the images; a number, as runAsNonRoot cannot tell for a name."""


def pod_security() -> dict[str, Any]:
    """Return the pod fields that keep it to itself."""
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,  # addresses of every Service would be in its environment
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": NOBODY,
            "runAsGroup": NOBODY,
            "fsGroup": NOBODY,
            "fsGroupChangePolicy": "OnRootMismatch",  # not 4 million images, at every start
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def container_security() -> dict[str, Any]:
    """Return the ``securityContext`` of its container."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def literal(word: str) -> str:
    """Return a word that a kubelet takes as it is.

    It replaces ``$(NAME)`` in commands and in environment by that variable, so that a place called
    ``$(AWS_SECRET_ACCESS_KEY)`` would put a secret into the logs. ``$$`` stands for one ``$``.
    """
    return word.replace("$", "$$")
