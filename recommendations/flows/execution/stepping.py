"""Executes the steps that are due, thousands of people per statement; timers are an index of due times, and nobody is polled.

A chunk of people at one step is claimed with SKIP LOCKED and taken as far as possible in one transaction. So a step is executed exactly
once per stay, even if a process is killed: either everything the chunk did is committed, including messages and counts, or nothing is.
Any number of processes may do this at the same time.
"""

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import OperationalError, connection, transaction

from recommendations.flows.execution.actions import run_action
from recommendations.flows.execution.order_signals import find_canceled
from recommendations.flows.execution.people import FlowPerson, find_best_hour, read_people, select_matching
from recommendations.flows.execution.published_graphs import load_graphs
from recommendations.flows.execution.stays import (
    COLUMNS,
    COMPLETED,
    PassedStep,
    Stay,
    StepCounts,
    add_counts,
    insert_passed_steps,
    read_stays,
    update_stays,
)
from recommendations.flows.machine.decisions import choose_variant
from recommendations.flows.machine.definition_schema import BEST_HOUR
from recommendations.flows.machine.graph import FlowGraph, FlowStep
from recommendations.flows.machine.wait_times import compute_wait_end, find_next_hour
from recommendations.flows.models import Flow, FlowEntry, FlowVersion
from recommendations.flows.queued_messages import StoppedPerson, cancel_for_stopped

logger = logging.getLogger(__name__)

CHUNK_SIZE = 2_000
ERASED = FlowEntry.Status.ERASED.value
EXITED = FlowEntry.Status.EXITED.value

FIND_DUE_STEPS = """
SELECT row.version_id, row.step_key FROM unnest(%(versions)s::bigint[], %(keys)s::text[]) AS row (version_id, step_key)
WHERE EXISTS (
    SELECT FROM flows_flowentry e
    WHERE e.version_id = row.version_id AND e.step_key = row.step_key AND e.status = 'active' AND e.due_at <= %(now)s
)
"""
CLAIM_DUE = """
SELECT {columns} FROM flows_flowentry
WHERE version_id = %(version)s AND step_key = %(step)s AND status = 'active' AND due_at <= %(now)s
ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
""".replace("{columns}", COLUMNS)
# a change of the flow waits until the chunk is done, so that a pause is in effect as soon as it is confirmed
LOCK_FLOW = "SELECT status IN ('live', 'ending') FROM flows_flow WHERE id = %s FOR SHARE"
TRANSIENT_STATES = ("40001", "40P01", "55P03")


@dataclass
class SteppingResult:
    """What a run over the due steps did. passed: steps; lag_seconds: of the stay that waited longest after it was due."""

    stays: int = 0
    passed: int = 0
    finished: int = 0
    lag_seconds: float = 0.0


def run_due_steps(*, now: datetime, seconds: float | None = None, chunk_size: int = CHUNK_SIZE) -> SteppingResult:
    """Execute the due steps of all flows in turn, for about ``seconds``.

    A step that fails does not stop the others; its error is raised when they are done, and the people at it stay due.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    total = SteppingResult()
    errors: dict[tuple[int, str], Exception] = {}
    while due := [row for row in find_due_steps(now=now) if (row[0], row[2]) not in errors]:
        claimed = 0
        for version_id, flow_id, step_key in due:
            if deadline is not None and time.monotonic() >= deadline:
                return total
            try:
                result = run_chunk(version_id=version_id, flow_id=flow_id, step_key=step_key, now=now, limit=chunk_size)
            except Exception as error:
                logger.exception("Step %s of flow version %s failed", step_key, version_id)
                errors[version_id, step_key] = error
                continue
            claimed += result.stays
            total.stays += result.stays
            total.passed += result.passed
            total.finished += result.finished
            total.lag_seconds = max(total.lag_seconds, result.lag_seconds)
        if not claimed:  # other processes hold what is due, or a transaction failed; the next run continues
            break
    if errors:
        raise next(iter(errors.values()))
    return total


def find_due_steps(*, now: datetime) -> list[tuple[int, int, str]]:
    """Return the version, flow and key of each step at which someone is due."""
    running = FlowVersion.objects.filter(
        published_at__isnull=False, flow__status__in=(Flow.Status.LIVE, Flow.Status.ENDING)
    )
    flows = dict(running.values_list("pk", "flow_id"))
    pairs = [(pk, key) for pk, graph in load_graphs(flows).items() for key in graph.steps]
    if not pairs:
        return []
    versions, keys = map(list, zip(*pairs, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(FIND_DUE_STEPS, {"versions": versions, "keys": keys, "now": now})
        return [(version_id, flows[version_id], step_key) for version_id, step_key in cursor.fetchall()]


def run_chunk(
    *, version_id: int, flow_id: int, step_key: str, now: datetime, limit: int = CHUNK_SIZE
) -> SteppingResult:
    """Execute the steps of some people who are due at a step, in one transaction."""
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(LOCK_FLOW, [flow_id])
                row = cursor.fetchone()
            if row is None or not row[0]:
                return SteppingResult()
            parameters = {"version": version_id, "step": step_key, "now": now, "limit": limit}
            stays = read_stays(CLAIM_DUE, parameters)
            if not stays:
                return SteppingResult()
            salt = Flow.objects.values_list("salt", flat=True).get(pk=flow_id)
            chunk = FlowChunk(graph=load_graphs([version_id])[version_id], salt=salt, now=now)
            chunk.run(stays, step_key)
            finished = sum(stay.finished_at is not None for stay in stays)
            return SteppingResult(len(stays), chunk.passed_steps, finished, chunk.lag_seconds)
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") not in TRANSIENT_STATES:
            raise
        logger.info("A chunk of a flow is tried again: %s", str(error).splitlines()[0])
        return SteppingResult()


class FlowChunk:
    """Takes people as far as they can go; everything is written at the end."""

    def __init__(self, *, graph: FlowGraph, salt: str, now: datetime) -> None:
        self.graph = graph
        self.salt = salt
        self.now = now
        self.counts: StepCounts = Counter()
        self.passed: list[PassedStep] = []
        self.passed_steps = 0
        self.lag_seconds = 0.0
        self.stopped: list[StoppedPerson] = []
        self.people: Mapping[int, FlowPerson] = {}
        self.groups: dict[str, list[Stay]] = defaultdict(list)

    def run(self, stays: Sequence[Stay], step_key: str) -> None:
        """Execute the step at which the people are, and those after it until each waits or is finished."""
        self.lag_seconds = max(0.0, (self.now - min(stay.due_at for stay in stays)).total_seconds())
        self.people = read_people([stay.customer_id for stay in stays])
        self.groups[step_key] = self.remove_stopped(stays)
        for key, step in self.graph.steps.items():  # in document order: steps only lead to later ones
            group = self.groups.pop(key, [])
            if group:
                self.execute(step, group)
        insert_passed_steps(self.passed, now=self.now)
        update_stays(sorted(stays, key=lambda stay: stay.id))
        cancel_for_stopped(self.stopped, now=self.now)
        add_counts(self.counts)

    def remove_stopped(self, stays: Sequence[Stay]) -> list[Stay]:
        """End the stays of erased customers, of canceled orders, and of those who match the condition of the goal or of an exit."""
        remaining = []
        for stay in stays:
            if stay.customer_id in self.people:
                remaining.append(stay)
            else:
                stay.event = {}
                stay.finish(ERASED, at=self.now, counts=self.counts)
        canceled = find_canceled({stay.occurrence for stay in remaining})
        remaining = self.stop(
            remaining, {stay.customer_id for stay in remaining if stay.occurrence in canceled}, EXITED
        )
        for status, condition in self.graph.list_stop_conditions():
            matching = select_matching(condition, [stay.customer_id for stay in remaining], as_of=self.now)
            remaining = self.stop(remaining, matching, status)
        return remaining

    def stop(self, stays: Sequence[Stay], customer_ids: Collection[int], status: str) -> list[Stay]:
        """End the stays of these customers; return the other stays."""
        for stay in stays:
            if stay.customer_id in customer_ids:
                stay.finish(status, at=self.now, counts=self.counts)
                self.stopped.append((stay.version_id, stay.customer_id, self.now, status))
        return [stay for stay in stays if stay.customer_id not in customer_ids]

    def execute(self, step: FlowStep, group: list[Stay]) -> None:
        """Execute one step for all who are at it."""
        if step.waits:
            self.wait(step, group)
        elif step.kind == "branch":
            ids = select_matching(step.settings["condition"], [stay.customer_id for stay in group], as_of=self.now)
            for stay in group:
                self.leave(step, stay, "yes" if stay.customer_id in ids else "no")
        elif step.kind == "split":
            weights = step.settings["weights"]
            for stay in group:
                variant = choose_variant(
                    salt=self.salt, step_key=step.key, customer_id=stay.customer_id, weights=weights
                )
                self.leave(step, stay, variant)
        else:
            has_runs, outcome = run_action(step, group, now=self.now)
            for stay in group:
                self.leave(step, stay, outcome, has_run=has_runs)

    def wait(self, step: FlowStep, group: Sequence[Stay]) -> None:
        """Let people whose wait has ended go on, and start the wait of the others."""
        for stay in group:
            if stay.outcome:
                self.leave(step, stay, stay.outcome)
            elif stay.is_waiting:
                self.leave(step, stay, "timeout" if step.kind == "wait_event" else "done")
            else:
                end = self.compute_end(step, stay)
                if end <= self.now:
                    self.leave(step, stay, "done")
                else:
                    stay.step_key, stay.is_waiting, stay.due_at = step.key, True, end

    def compute_end(self, step: FlowStep, stay: Stay) -> datetime:
        return compute_step_end(step.settings, step.kind, start=self.now, person=self.people[stay.customer_id])

    def leave(self, step: FlowStep, stay: Stay, outcome: str, *, has_run: bool = False) -> None:
        """Record that a stay has passed a step, and move it to the next one."""
        if not has_run:
            self.passed.append((stay.id, stay.version_id, step.key, outcome))
        self.passed_steps += 1
        self.counts[stay.version_id, step.key, outcome] += 1
        stay.step_key, stay.is_waiting, stay.outcome, stay.due_at = step.key, False, "", self.now
        following = self.graph.find_next(step.key, outcome)
        if following is None:
            stay.finish(COMPLETED, at=self.now, counts=self.counts)
            return
        stay.step_key = following
        self.counts[stay.version_id, following, "arrived"] += 1
        self.groups[following].append(stay)


def compute_step_end(settings: Mapping[str, Any], kind: str, *, start: datetime, person: FlowPerson) -> datetime:
    """Return when the wait at a step ends for a person."""
    if kind == "wait_until":
        is_best = settings["hour"] == BEST_HOUR
        hour, zone = find_best_hour(person) if is_best else (settings["hour"], person.zone)
        return find_next_hour(hour, start=start, zone=zone, weekdays=settings.get("weekdays", ()))
    duration = settings["timeout"] if kind == "wait_event" else settings["for"]
    return compute_wait_end(duration, start=start, zone=person.zone)
