"""Long lists, page by page: neither the server nor we ever hold one whole."""

from collections.abc import Iterator

from taskonomy_operator.cluster import Cluster, Object

PAGE = 500
"""Objects in one answer of a list."""


def pages(cluster: Cluster, path: str, *, metadata: bool = False, **query: str) -> Iterator[Object]:
    """Yield every object of a list, page by page."""
    ask = cluster.metadata if metadata else cluster.get
    token = ""
    while True:
        more = {"continue": token} if token else {}
        page = ask(path, limit=PAGE, **query, **more)
        yield from page.get("items") or []
        token = str((page.get("metadata") or {}).get("continue") or "")
        if not token:
            return
