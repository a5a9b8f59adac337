"""How the kernels of this package are compiled.

Compiled code is not kept on disk: numba's cache of a caller does not notice that a function it
calls in another module has changed. A process compiles what it uses (some ten seconds in all),
once; worker processes are forked from one that has, and inherit it.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

_Function = TypeVar("_Function", bound=Callable[..., Any])


def kernel(function: _Function) -> _Function:
    """Compile a function of numbers and arrays to machine code when it is first called.

    No fast mathematics: the same bits on every run. No threads: processes share the work.
    """
    return cast("_Function", njit(error_model="numpy", nogil=True)(function))
