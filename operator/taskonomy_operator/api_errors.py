"""What goes wrong when an API server is asked, told by what to do next.

`Refused` will not change by asking again, `Conflict` wants the object read anew, `Expired` wants a
list from the start, `Away` wants patience.
"""

import http.client

from taskonomy_catalogue.errors import TaskonomyError


class ApiError(TaskonomyError):
    """The API server did not do what it was asked."""

    def __init__(self, code: int, reason: str, message: str, retry_after: float = 0.0) -> None:
        self.code, self.reason, self.retry_after = code, reason, retry_after
        super().__init__(message)


class Refused(ApiError):
    """It will not: the request is wrong or not allowed (400, 401, 403, 404, 422 …)."""


class Conflict(ApiError):
    """Somebody else wrote first, or the object is there already (409)."""


class NotOurTurn(Conflict):
    """Another replica acts."""


class Expired(ApiError):
    """What was asked for is too old: list from the start (410)."""


class Away(ApiError):
    """It cannot now, or does not answer: ask again later (429, 5xx, no connection)."""


def error_of(code: int, reason: str, message: str, retry_after: float = 0.0) -> ApiError:
    """Return the error that says what to do next."""
    if code == http.client.CONFLICT:
        kind: type[ApiError] = Conflict
    elif code == http.client.GONE:
        kind = Expired
    elif code == http.client.TOO_MANY_REQUESTS or code >= http.client.INTERNAL_SERVER_ERROR:
        kind = Away
    else:
        kind = Refused
    return kind(code, reason, message, retry_after)
