"""The graphs of published versions, which never change and are kept in each process."""

from collections.abc import Iterable

from recommendations.flows.machine.graph import FlowGraph, build_graph
from recommendations.flows.models import FlowVersion

MAX_GRAPHS = 500
_graphs: dict[int, FlowGraph] = {}


def load_graphs(version_ids: Iterable[int]) -> dict[int, FlowGraph]:
    """Return the graphs of published versions by ID."""
    wanted = set(version_ids)
    missing = wanted - _graphs.keys()
    if missing:
        if len(_graphs) + len(missing) > MAX_GRAPHS:
            _graphs.clear()
            missing = wanted
        for pk, definition in FlowVersion.objects.filter(pk__in=missing).values_list("pk", "definition"):
            _graphs[pk] = build_graph(definition)
    return {pk: _graphs[pk] for pk in wanted if pk in _graphs}


def forget_graphs() -> None:
    """Forget all graphs; for tests, whose rows are rolled back and whose IDs return."""
    _graphs.clear()
