"""The people inside flows, in memory while a chunk of them is executed, and the statements that read and write them in sets."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import psycopg
from django.db import connection

from config.foundation.database.array_parameters import (
    encode_bigints,
    encode_repeated_texts,
    encode_repeated_times,
    encode_texts,
    register_array_dumpers,
)
from recommendations.flows.models import FlowEntry

ACTIVE = FlowEntry.Status.ACTIVE.value
COMPLETED = FlowEntry.Status.COMPLETED.value

# (version, step, outcome) → how often, as in FlowStepCount
type StepCounts = Counter[tuple[int, str, str]]
# a step run: entry, version, step, outcome
type PassedStep = tuple[int, int, str, str]

COLUMNS = (
    "id, flow_id, version_id, customer_id, triggered_at, event::text, step_key, is_waiting, outcome, due_at, occurrence"
)
INSERT_STAYS = """
INSERT INTO flows_flowentry (flow_id, version_id, customer_id, occurrence, event, triggered_at, entered_at, status, step_key, is_waiting,
                             outcome, due_at, finished_at)
SELECT row.flow_id, row.version_id, row.customer_id, row.occurrence, row.event::jsonb, row.triggered_at, %(now)s, row.status, row.step_key,
       false, row.outcome, row.due_at, row.finished_at::timestamptz
FROM unnest(%(flow_id)s::bigint[], %(version_id)s::bigint[], %(customer_id)s::bigint[], %(occurrence)s::text[], %(event)s::text[],
            %(triggered_at)s::timestamptz[], %(status)s::text[], %(step_key)s::text[], %(outcome)s::text[], %(due_at)s::timestamptz[],
            %(finished_at)s::text[])
     AS row (flow_id, version_id, customer_id, occurrence, event, triggered_at, status, step_key, outcome, due_at, finished_at)
"""
UPDATE_STAYS = """
UPDATE flows_flowentry e
SET status = row.status, step_key = row.step_key, is_waiting = row.is_waiting, outcome = row.outcome, due_at = row.due_at,
    finished_at = row.finished_at::timestamptz
FROM unnest(%(id)s::bigint[], %(status)s::text[], %(step_key)s::text[], %(is_waiting)s::boolean[], %(outcome)s::text[],
            %(due_at)s::timestamptz[], %(finished_at)s::text[])
     AS row (id, status, step_key, is_waiting, outcome, due_at, finished_at)
WHERE e.id = row.id
"""
INSERT_RUNS = """
INSERT INTO flows_flowsteprun (entry_id, version_id, step_key, outcome, at)
SELECT row.entry_id, row.version_id, row.step_key, row.outcome, %(now)s
FROM unnest(%(entries)s::bigint[], %(versions)s::bigint[], %(steps)s::text[], %(outcomes)s::text[])
     AS row (entry_id, version_id, step_key, outcome)
"""
# in the order of the key, so that two workers cannot deadlock
ADD_COUNTS = """
INSERT INTO flows_flowstepcount AS total (version_id, step_key, outcome, count)
SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::bigint[]) AS row (version_id, step_key, outcome, count)
ORDER BY version_id, step_key, outcome
ON CONFLICT (version_id, step_key, outcome) DO UPDATE SET count = total.count + excluded.count
"""


@dataclass(slots=True)
class Stay:
    """One stay of a customer in a flow; the fields are those of FlowEntry. id is 0 before it is stored."""

    id: int
    flow_id: int
    version_id: int
    customer_id: int
    triggered_at: datetime
    event: dict[str, Any]
    step_key: str
    is_waiting: bool
    outcome: str
    due_at: datetime
    status: str = ACTIVE
    finished_at: datetime | None = None
    occurrence: str = ""

    def finish(self, status: str, *, at: datetime, counts: StepCounts) -> None:
        """End the stay at its step; a completed stay has passed the step, so only the end of the stay is counted."""
        self.status, self.finished_at = status, at
        if status != COMPLETED:
            counts[self.version_id, self.step_key, status] += 1
        counts[self.version_id, "", status] += 1


def read_stays(statement: str, parameters: dict[str, Any]) -> list[Stay]:
    """Return the stays of a statement that selects ``COLUMNS``."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return [build_stay(*row) for row in cursor.fetchall()]


def build_stay(
    pk: int,
    flow_id: int,
    version_id: int,
    customer_id: int,
    triggered_at: datetime,
    event: str,
    step_key: str,
    is_waiting: bool,
    outcome: str,
    due_at: datetime,
    occurrence: str,
) -> Stay:
    """Return the stay of a row with ``COLUMNS``."""
    parsed = msgspec.json.decode(event)
    return Stay(
        pk,
        flow_id,
        version_id,
        customer_id,
        triggered_at,
        parsed,
        step_key,
        is_waiting,
        outcome,
        due_at,
        occurrence=occurrence,
    )


def insert_stays(stays: Sequence[Stay], *, now: datetime) -> None:
    if stays:
        columns = {
            **encode_progress(stays),
            "flow_id": encode_bigints([stay.flow_id for stay in stays]),
            "version_id": encode_bigints([stay.version_id for stay in stays]),
            "customer_id": encode_bigints([stay.customer_id for stay in stays]),
            "occurrence": encode_texts([stay.occurrence for stay in stays]),
            "triggered_at": encode_repeated_times([stay.triggered_at for stay in stays]),
            "event": encode_texts([msgspec.json.encode(stay.event).decode() for stay in stays]),
        }
        execute_with_arrays(INSERT_STAYS, {**columns, "now": now})


def update_stays(stays: Sequence[Stay]) -> None:
    if stays:
        columns: dict[str, Any] = {
            "id": encode_bigints([stay.id for stay in stays]),
            "is_waiting": [stay.is_waiting for stay in stays],
        }
        execute_with_arrays(UPDATE_STAYS, {**encode_progress(stays), **columns})


def encode_progress(stays: Sequence[Stay]) -> dict[str, Any]:
    """Return the columns that change while people go through a flow."""
    finished = [None if stay.finished_at is None else stay.finished_at.isoformat() for stay in stays]
    return {
        "status": encode_repeated_texts([stay.status for stay in stays]),
        "step_key": encode_repeated_texts([stay.step_key for stay in stays]),
        "outcome": encode_repeated_texts([stay.outcome for stay in stays]),
        "due_at": encode_repeated_times([stay.due_at for stay in stays]),
        "finished_at": encode_repeated_texts(finished),
    }


def insert_passed_steps(passed: Sequence[PassedStep], *, now: datetime) -> None:
    if passed:
        execute_with_arrays(INSERT_RUNS, encode_runs(passed, now=now))


def insert_message_runs(stays: Sequence[Stay], *, step_key: str, now: datetime) -> dict[int, int]:
    """Insert the runs of a message step; return their IDs by entry."""
    passed = [(stay.id, stay.version_id, step_key, "done") for stay in stays]
    return dict(execute_with_arrays(INSERT_RUNS + "RETURNING entry_id, id", encode_runs(passed, now=now)))


def encode_runs(passed: Sequence[PassedStep], *, now: datetime) -> dict[str, Any]:
    entries, versions, steps, outcomes = zip(*passed, strict=True)
    return {
        "now": now,
        "entries": encode_bigints(entries),
        "versions": encode_bigints(versions),
        "steps": encode_repeated_texts(steps),
        "outcomes": encode_repeated_texts(outcomes),
    }


def execute_with_arrays(statement: str, parameters: dict[str, Any]) -> list[Any]:
    """Execute a statement with encoded arrays, which Django's cursor does not support, in the transaction of Django's connection."""
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        register_array_dumpers(cursor)
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


def add_counts(counts: StepCounts) -> None:
    """Add to the counts of steps. Call it last in a transaction: other workers wait for these rows until it ends."""
    rows = [(*key, number) for key, number in counts.items() if number]
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(ADD_COUNTS, list(map(list, zip(*rows, strict=True))))
