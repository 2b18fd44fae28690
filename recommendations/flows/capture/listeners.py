"""Keeps the listeners of flows: the signals that a version waits for while customers can enter it or are inside."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Exists, OuterRef

from recommendations.flows.capture.event_names import normalize_event
from recommendations.flows.capture.loyalty import list_signal_names
from recommendations.flows.machine.graph import FlowGraph, build_graph
from recommendations.flows.models import Flow, FlowEntry, FlowListener, FlowVersion


def sync_listeners(*, flow: Flow) -> None:
    """Write the listeners of a flow, in the caller's transaction.

    The current version of a live flow listens for its trigger; every version with people inside listens for what they wait for.
    """
    FlowListener.objects.filter(version__flow=flow).delete()
    if flow.status in (Flow.Status.DRAFT, Flow.Status.ENDED):
        return
    inside = FlowEntry.objects.filter(version=OuterRef("pk"), status=FlowEntry.Status.ACTIVE)
    versions = FlowVersion.objects.filter(flow=flow, published_at__isnull=False).annotate(has_people=Exists(inside))
    listeners = []
    for version in versions:
        graph = build_graph(version.definition)
        takes_entries = version.is_current and flow.status != Flow.Status.ENDING
        if takes_entries or version.has_people:
            listeners += build_listeners(version, graph, takes_entries=takes_entries)
    FlowListener.objects.bulk_create(listeners, ignore_conflicts=True)


def build_listeners(version: FlowVersion, graph: FlowGraph, *, takes_entries: bool) -> list[FlowListener]:
    listeners = [
        FlowListener(version=version, kind="event", name=normalize_event(name)) for name in graph.list_awaited_events()
    ]
    if takes_entries:
        listeners += [
            FlowListener(version=version, kind=kind, name=name, is_trigger=True)
            for kind, name in list_trigger_names(graph.trigger)
        ]
    return listeners


def list_trigger_names(trigger: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the kinds and names of the signals that start a trigger; none for one that is found by comparing customers."""
    match trigger["kind"]:
        case "event":
            return [("event", normalize_event(trigger["event"]))]
        case "stage":
            return [("stage", stage) for stage in trigger["to"]]
        case "segment":
            return [("segment", trigger["segment"])]
        case "catalog":
            return [("catalog", trigger["change"])]
    return list_signal_names(trigger)


def remove_unused_listeners() -> None:
    """Stop listening for old versions that nobody is in any more."""
    inside = FlowEntry.objects.filter(version=OuterRef("version"), status=FlowEntry.Status.ACTIVE)
    FlowListener.objects.filter(version__is_current=False).exclude(Exists(inside)).delete()
