"""Reacts to signals in the order in which they were written: customers enter flows, waits end, goals are reached, people leave.

A signal is deleted in the transaction that reacts to it. Only one process at a time does this, so that each customer's signals are handled in order.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction

from config.foundation.database.advisory_locks import exclusive_lock
from config.foundation.database.array_parameters import format_bigint_list
from recommendations.flows.capture.birthdays import START_DAY
from recommendations.flows.capture.catalog import signal_interested
from recommendations.flows.capture.event_names import normalize_event
from recommendations.flows.capture.loyalty import LEVEL, POINTS, is_met
from recommendations.flows.capture.taken_signals import TakenSignal, take_signals
from recommendations.flows.execution.history import StayHistory, read_history
from recommendations.flows.execution.holdout import EntryHoldout
from recommendations.flows.execution.order_signals import complete_orders, read_later_orders
from recommendations.flows.execution.people import read_people, select_matching
from recommendations.flows.execution.published_graphs import load_graphs
from recommendations.flows.execution.signal_events import (
    build_entry_events,
    find_stop,
    find_stop_moment,
    is_ended_by_orders,
    is_removal_of_other_product,
    read_properties_of,
)
from recommendations.flows.execution.stays import (
    COLUMNS,
    Stay,
    StepCounts,
    add_counts,
    insert_stays,
    read_stays,
    update_stays,
)
from recommendations.flows.machine.decisions import matches_filters, may_enter
from recommendations.flows.machine.graph import FlowGraph
from recommendations.flows.models import Flow, FlowEntry, FlowListener, FlowVersion
from recommendations.flows.queued_messages import StoppedPerson, cancel_for_stopped

LOCK_NAME = "flows.signals"
HELD_OUT = FlowEntry.Status.HELD_OUT.value
CHUNK_SIZE = 2_000
# an event that is uploaded later than this starts nothing: nobody wants a cart reminder for last week's cart
MAX_TRIGGER_AGE = timedelta(days=1)

# a clock that is further ahead is wrong; signals that are written after a run has begun are a little ahead of it
CLOCK_TOLERANCE = timedelta(minutes=1)

LOCK_FLOWS = "SELECT id, status FROM flows_flow WHERE status IN ('live', 'paused', 'ending') ORDER BY id FOR SHARE"
# FOR SHARE lets a merge that has begun finish first; the IDs of merged customers then lead to those that are kept
LOCK_CUSTOMERS = (
    "SELECT id FROM identity_customer WHERE id = ANY(%s::bigint[]) AND erased_at IS NULL ORDER BY id FOR SHARE"
)
FIND_KEPT = """
SELECT DISTINCT ON (merged_id) merged_id, kept_id FROM identity_identitymerge
WHERE merged_id = ANY(%s::bigint[]) AND reverted_at IS NULL ORDER BY merged_id, id DESC
"""
READ_ACTIVE = "SELECT {columns} FROM flows_flowentry WHERE customer_id = ANY(%(ids)s::bigint[]) AND status = 'active' ORDER BY id FOR UPDATE".replace(
    "{columns}", COLUMNS
)


@dataclass
class ReactionResult:
    """What a run over the signals did."""

    signals: int = 0
    entered: int = 0
    changed: int = 0


@dataclass
class ListeningVersions:
    """The versions that listen, by the kind and name of signals."""

    triggers: dict[tuple[str, str], list[FlowVersion]] = field(default_factory=lambda: defaultdict(list))
    awaiting: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    graphs: dict[int, FlowGraph] = field(default_factory=dict)


def process_signals(*, now: datetime, seconds: float | None = None) -> ReactionResult:
    """React to the waiting signals, oldest first, for about ``seconds``.

    Raises:
        AlreadyRunningError: another process does so.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    total = ReactionResult()
    with exclusive_lock(LOCK_NAME):
        while deadline is None or time.monotonic() < deadline:
            with transaction.atomic():
                result = react_to_chunk(now=now)
            total.signals += result.signals
            total.entered += result.entered
            total.changed += result.changed
            if not result.signals:
                break
    return total


def react_to_chunk(*, now: datetime) -> ReactionResult:
    """React to the next signals, in the caller's transaction."""
    statuses = lock_flows()
    signals = take_signals(CHUNK_SIZE)
    if not signals:
        return ReactionResult()
    listening = read_listening(signals, statuses)
    for signal_group in group_catalog_signals(signals):
        for version in listening.triggers["catalog", signal_group[0].name]:
            signal_interested(version=version, graph=listening.graphs[version.pk], signals=signal_group, now=now)
    personal = resolve_customers([signal for signal in signals if signal.customer_id is not None])
    reaction = SignalReaction(now=now, listening=listening)
    reaction.react(personal)
    with connection.cursor() as cursor:
        ids = format_bigint_list(signal.pk for signal in signals)
        cursor.execute("DELETE FROM flows_flowsignal WHERE id = ANY(%s::bigint[])", [ids])
    add_counts(reaction.counts)
    return ReactionResult(len(signals), len(reaction.entered), len(reaction.changed))


def lock_flows() -> dict[int, str]:
    """Lock the flows that react and return their statuses; a change of a flow waits until the chunk is done, and vice versa."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK_FLOWS)
        return dict(cursor.fetchall())


def group_catalog_signals(signals: Sequence[TakenSignal]) -> list[list[TakenSignal]]:
    """Return the changes of products, one list per type of change."""
    groups: dict[str, list[TakenSignal]] = defaultdict(list)
    for signal in signals:
        if signal.kind == "catalog":
            groups[signal.name].append(signal)
    return list(groups.values())


def read_listening(signals: Sequence[TakenSignal], statuses: dict[int, str]) -> ListeningVersions:
    """Return the versions that listen for the signals; only live flows are triggered."""
    listening = ListeningVersions()
    names = {signal.name for signal in signals}
    rows = FlowListener.objects.filter(name__in=names, version__flow__in=list(statuses)).select_related("version__flow")
    for listener in rows.order_by("version_id"):
        if not listener.is_trigger:
            listening.awaiting[listener.name].add(listener.version_id)
        elif statuses[listener.version.flow_id] == Flow.Status.LIVE and listener.version.is_current:
            listening.triggers[listener.kind, listener.name].append(listener.version)
    matched = {signal.name for signal in signals if signal.kind == "match"}
    live = [flow_id for flow_id, status in statuses.items() if status == Flow.Status.LIVE and str(flow_id) in matched]
    for version in FlowVersion.objects.filter(flow__in=live, is_current=True).select_related("flow"):
        listening.triggers["match", str(version.flow_id)].append(version)
    triggered = {version.pk for versions in listening.triggers.values() for version in versions}
    listening.graphs = load_graphs(triggered.union(*listening.awaiting.values()))
    return listening


def resolve_customers(signals: Sequence[TakenSignal]) -> list[TakenSignal]:
    """Return the signals of customers who exist; those of merged customers belong to the customers that were kept."""
    known = lock_customers({signal.customer_id for signal in signals})
    missing = {signal.customer_id for signal in signals if signal.customer_id is not None} - known
    if missing:
        with connection.cursor() as cursor:
            cursor.execute(FIND_KEPT, [format_bigint_list(missing)])
            kept = dict(cursor.fetchall())
        for signal in signals:
            signal.customer_id = kept.get(signal.customer_id or 0, signal.customer_id)
        known |= lock_customers(set(kept.values()))
    return [signal for signal in signals if signal.customer_id in known]


def lock_customers(customer_ids: set[Any]) -> set[int]:
    if not customer_ids:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(LOCK_CUSTOMERS, [format_bigint_list(sorted(customer_ids))])
        return {customer_id for (customer_id,) in cursor.fetchall()}


def await_days(signals: Sequence[TakenSignal]) -> None:
    """Trigger customers at the beginning of their day, in their time zone; the search for birthdays runs on the clock of the shop."""
    awaiting = [signal for signal in signals if START_DAY in signal.data and signal.customer_id is not None]
    if not awaiting:
        return
    people = read_people([signal.customer_id for signal in awaiting if signal.customer_id is not None])
    for signal in awaiting:
        if person := people.get(signal.customer_id or 0):
            day = datetime.fromisoformat(signal.data[START_DAY])
            signal.at = day.replace(tzinfo=person.zone).astimezone(UTC)


class SignalReaction:
    """Applies the signals of one chunk, one after the other, to the stays of their customers."""

    def __init__(self, *, now: datetime, listening: ListeningVersions) -> None:
        self.now = now
        self.listening = listening
        self.counts: StepCounts = Counter()
        self.active: dict[int, dict[int, Stay]] = defaultdict(dict)  # customer → flow → stay
        self.entered: list[Stay] = []
        self.changed: dict[int, Stay] = {}
        self.history = StayHistory()
        self.holdout = EntryHoldout()
        self.eligible: dict[int, set[int]] = {}  # version → customers who match its filter
        self.triggered: set[tuple[int, int]] = set()  # version, signal
        self.events: dict[int, dict[str, Any]] = {}  # signal → what templates get as event
        self.orders: dict[int, list[TakenSignal]] = {}  # customer → orders that may be later than the trigger
        self.stopped: list[StoppedPerson] = []

    def react(self, signals: Sequence[TakenSignal]) -> None:
        signals = [signal for signal in signals if self.is_awaited(signal)]
        if not signals:
            return
        complete_orders(signals)
        for signal in signals:
            if signal.at > self.now + CLOCK_TOLERANCE:
                signal.at = self.now  # otherwise whatever happens next would be from before the trigger
        await_days(signals)
        ids = format_bigint_list({signal.customer_id for signal in signals if signal.customer_id is not None})
        for stay in read_stays(READ_ACTIVE, {"ids": ids}):
            self.active[stay.customer_id][stay.flow_id] = stay
        self.load_candidates(signals)
        for signal in signals:
            awaiting = self.find_awaiting(signal)
            self.note_stops(awaiting, signal)
            for stay in list(self.active[signal.customer_id or 0].values()):
                if stay.version_id in awaiting:
                    self.advance(stay, signal)
            for version in self.listening.triggers.get((signal.kind, signal.name), ()):
                self.enter(version, signal)
        insert_stays(self.entered, now=self.now)
        self.holdout.store(at=self.now)
        update_stays(sorted(self.changed.values(), key=lambda stay: stay.id))
        cancel_for_stopped(self.stopped, now=self.now)

    def is_awaited(self, signal: TakenSignal) -> bool:
        return bool(self.find_awaiting(signal)) or (signal.kind, signal.name) in self.listening.triggers

    def find_awaiting(self, signal: TakenSignal) -> Collection[int]:
        """Return the versions that an event can end or advance; a segment or stage may have the same name as an event."""
        return self.listening.awaiting.get(signal.name, ()) if signal.kind == "event" else ()

    def load_candidates(self, signals: Sequence[TakenSignal]) -> None:
        """Read, once per chunk, what decides whether customers enter: earlier stays, filters, and the products of events."""
        candidates: dict[int, set[int]] = defaultdict(set)
        by_version: dict[int, FlowVersion] = {}
        triggering = []
        ended_by_orders = []
        for signal in signals:
            for version in self.listening.triggers.get((signal.kind, signal.name), ()):
                if signal.customer_id is not None and self.is_trigger(version, signal):
                    candidates[version.pk].add(signal.customer_id)
                    by_version[version.pk] = version
                    self.triggered.add((version.pk, signal.pk))
                    triggering.append(signal)
                    if is_ended_by_orders(self.listening.graphs[version.pk]):
                        ended_by_orders.append((signal.customer_id, signal.at))
        self.events = build_entry_events(triggering)
        self.orders = read_later_orders(ended_by_orders, now=self.now)
        by_flow = {by_version[pk].flow_id: customers for pk, customers in candidates.items()}
        self.history = read_history(by_flow)
        self.holdout.load(by_flow)
        for pk, customers in candidates.items():
            condition = self.listening.graphs[pk].condition
            self.eligible[pk] = select_matching(condition or {"all": []}, sorted(customers), as_of=self.now)

    def is_trigger(self, version: FlowVersion, signal: TakenSignal) -> bool:
        """Return whether a signal meets the trigger of a version."""
        trigger = self.listening.graphs[version.pk].trigger
        # what happened before the flow was published or resumed does not start it
        earliest = max(self.now - MAX_TRIGGER_AGE, version.flow.started_at or signal.at)
        if signal.at < earliest:
            return False
        if signal.kind == "event":
            return matches_filters(read_properties_of(signal), trigger.get("where", []))
        if signal.kind == "stage":
            return not trigger.get("from") or signal.data.get("from") in trigger["from"]
        if signal.kind == "segment":
            return signal.data.get("direction") == trigger["direction"]
        if signal.kind in (LEVEL, POINTS):
            return is_met(trigger, signal.kind, signal.data)
        return True

    def enter(self, version: FlowVersion, signal: TakenSignal) -> None:
        """Let a customer enter, if the trigger, the filter and the re-entry rule allow it."""
        customer_id = signal.customer_id
        if (version.pk, signal.pk) not in self.triggered or customer_id not in self.eligible[version.pk]:
            return
        assert customer_id is not None
        graph = self.listening.graphs[version.pk]
        key = (version.flow_id, customer_id)
        is_inside = version.flow_id in self.active[customer_id]
        last = self.history.last_triggered_at.get(key)
        if self.history.knows(key, signal.occurrence) or not may_enter(
            graph.reentry, last_triggered_at=last, is_inside=is_inside, at=signal.at
        ):
            return
        if self.has_ordered_since(graph, signal):
            return
        stay = Stay(
            id=0,
            flow_id=version.flow_id,
            version_id=version.pk,
            customer_id=customer_id,
            triggered_at=signal.at,
            event=self.events.get(signal.pk, {}),
            step_key=graph.first,
            is_waiting=False,
            outcome="",
            due_at=max(self.now, signal.at) if START_DAY in signal.data else self.now,
            occurrence=signal.occurrence,
        )
        self.history.add(key, signal.occurrence, signal.at)
        self.entered.append(stay)
        if self.holdout.decide(flow_id=version.flow_id, customer_id=customer_id):
            stay.status, stay.finished_at = HELD_OUT, self.now
            self.counts[version.pk, "", HELD_OUT] += 1
            return
        self.active[customer_id][version.flow_id] = stay
        self.counts[version.pk, "", "entered"] += 1
        self.counts[version.pk, graph.first, "arrived"] += 1

    def has_ordered_since(self, graph: FlowGraph, signal: TakenSignal) -> bool:
        """Return whether an order that ends a stay is later than its trigger: the event of a cart may arrive after the order."""
        return any(
            order.occurrence != signal.occurrence
            and find_stop_moment(graph, order) > signal.at
            and find_stop(graph, order)
            for order in self.orders.get(signal.customer_id or 0, ())
        )

    def note_stops(self, awaiting: Collection[int], signal: TakenSignal) -> None:
        """Note the versions that have the event as their goal or exit, also for customers who have passed all of their steps."""
        assert signal.customer_id is not None
        for version_id in awaiting:
            graph = self.listening.graphs[version_id]
            stays = [stay for stay in self.active[signal.customer_id].values() if stay.version_id == version_id]
            if any(is_removal_of_other_product(stay.event, signal) for stay in stays):
                continue
            if status := find_stop(graph, signal):
                self.stopped.append((version_id, signal.customer_id, find_stop_moment(graph, signal), status))

    def advance(self, stay: Stay, signal: TakenSignal) -> None:
        """End a stay, or the wait at its step, if the event causes that."""
        graph = self.listening.graphs[stay.version_id]
        if find_stop_moment(graph, signal) < stay.triggered_at:
            return  # a late event from before the trigger
        if (status := find_stop(graph, signal)) and not is_removal_of_other_product(stay.event, signal):
            stay.finish(status, at=self.now, counts=self.counts)
            del self.active[stay.customer_id][stay.flow_id]
            self.note_change(stay)
            return
        properties = read_properties_of(signal)
        step = graph.steps[stay.step_key]
        if (
            step.kind == "wait_event"
            and not stay.outcome
            and normalize_event(step.settings["event"]) == signal.name
            and matches_filters(properties, step.settings.get("where", []))
        ):
            stay.outcome, stay.due_at = "event", self.now
            self.note_change(stay)

    def note_change(self, stay: Stay) -> None:
        if stay.id:  # a new stay of this chunk is inserted in its final state
            self.changed[stay.id] = stay
