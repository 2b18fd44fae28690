"""Reusable arrays for scoring one request."""

from typing import Self

from recommendations.engine.online.context import Workspace
from recommendations.serving.state.loader import ServingState

_free_by_size: dict[tuple[int, int], list[Workspace]] = {}


class WorkspacePool:
    """Hands out workspaces during one request and takes them back, cleared, at its end.

    The workspace returned last is handed out first, to any thread: its arrays may still be in the processor's cache.
    """

    def __init__(self, state: ServingState) -> None:
        self.size = (state.products.n, state.blends.width if state.blends is not None else 0)
        free = _free_by_size.get(self.size)
        if free is None:
            _free_by_size.clear()  # the product index was replaced, so arrays of the old size are useless
            free = _free_by_size.setdefault(self.size, [])
        self._free = free
        self._in_use: list[Workspace] = []

    def take(self) -> Workspace:
        """Return a clean workspace that stays with this request until the pool is closed."""
        try:
            # pop is atomic, so that threads share the list without a lock
            workspace = self._free.pop()
        except IndexError:
            workspace = Workspace(*self.size)
        self._in_use.append(workspace)
        return workspace

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for workspace in self._in_use:
            workspace.clear()
        self._free.extend(self._in_use)
        self._in_use = []
