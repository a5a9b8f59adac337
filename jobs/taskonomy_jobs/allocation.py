"""Freed memory stays with the process, for the next step to use again.

Every step allocates and frees tensors of the same sizes. By default glibc gives each of more than
128 KiB back to the kernel, which clears its pages and maps them anew a moment later: a sixth of a
small network's training on a CPU. See mallopt(3).
"""

import ctypes
import os

_TRIM_THRESHOLD = -1
_MMAP_THRESHOLD = -3
KEPT = 1 << 30
"""Bytes below which an allocation comes from the heap, and that stay free at its top."""


def keep_freed_memory() -> None:
    """Let the process reuse what tensors leave; on a system without glibc nothing changes."""
    if _is_glibc():
        libc = ctypes.CDLL(None)
        libc.mallopt(_MMAP_THRESHOLD, KEPT)
        libc.mallopt(_TRIM_THRESHOLD, KEPT)


def _is_glibc() -> bool:
    """Return whether the C library is GNU's; other systems do not know the name that is asked."""
    try:
        return "glibc" in (os.confstr("CS_GNU_LIBC_VERSION") or "")
    except (AttributeError, ValueError, OSError):
        return False
