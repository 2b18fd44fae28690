"""The people inside flows, in memory while a chunk of them is executed, and the statements that read and write them in sets."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from django.db import connection

from recommendations.flows.models import FlowEntry

ACTIVE = FlowEntry.Status.ACTIVE.value
COMPLETED = FlowEntry.Status.COMPLETED.value

# (version, step, outcome) → how often, as in FlowStepCount
type StepCounts = Counter[tuple[int, str, str]]
# a step run: entry, version, step, outcome
type PassedStep = tuple[int, int, str, str]

COLUMNS = "id, flow_id, version_id, customer_id, triggered_at, event::text, step_key, is_waiting, outcome, due_at"
INSERT_STAYS = """
INSERT INTO flows_flowentry (flow_id, version_id, customer_id, occurrence, event, triggered_at, entered_at, status, step_key, is_waiting,
                             outcome, due_at, finished_at)
SELECT row.flow_id, row.version_id, row.customer_id, row.occurrence, row.event::jsonb, row.triggered_at, %(now)s, row.status, row.step_key,
       false, row.outcome, row.due_at, row.finished_at
FROM unnest(%(flow_id)s::bigint[], %(version_id)s::bigint[], %(customer_id)s::bigint[], %(occurrence)s::text[], %(event)s::text[],
            %(triggered_at)s::timestamptz[], %(status)s::text[], %(step_key)s::text[], %(outcome)s::text[], %(due_at)s::timestamptz[],
            %(finished_at)s::timestamptz[])
     AS row (flow_id, version_id, customer_id, occurrence, event, triggered_at, status, step_key, outcome, due_at, finished_at)
"""
UPDATE_STAYS = """
UPDATE flows_flowentry e
SET status = row.status, step_key = row.step_key, is_waiting = row.is_waiting, outcome = row.outcome, due_at = row.due_at,
    finished_at = row.finished_at
FROM unnest(%(id)s::bigint[], %(status)s::text[], %(step_key)s::text[], %(is_waiting)s::boolean[], %(outcome)s::text[],
            %(due_at)s::timestamptz[], %(finished_at)s::timestamptz[])
     AS row (id, status, step_key, is_waiting, outcome, due_at, finished_at)
WHERE e.id = row.id
"""
INSERT_RUNS = """
INSERT INTO flows_flowsteprun (entry_id, version_id, step_key, outcome, at)
SELECT row.entry_id, row.version_id, row.step_key, row.outcome, %s
FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[]) AS row (entry_id, version_id, step_key, outcome)
"""
# in the order of the key, so that two workers cannot wait for each other
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
) -> Stay:
    """Return the stay of a row with ``COLUMNS``."""
    parsed = msgspec.json.decode(event)
    return Stay(pk, flow_id, version_id, customer_id, triggered_at, parsed, step_key, is_waiting, outcome, due_at)


def insert_stays(stays: Sequence[Stay], *, now: datetime) -> None:
    if not stays:
        return
    names = (
        "flow_id",
        "version_id",
        "customer_id",
        "occurrence",
        "triggered_at",
        "status",
        "step_key",
        "outcome",
        "due_at",
        "finished_at",
    )
    columns: dict[str, Any] = {name: [getattr(stay, name) for stay in stays] for name in names}
    columns["event"] = [msgspec.json.encode(stay.event).decode() for stay in stays]
    with connection.cursor() as cursor:
        cursor.execute(INSERT_STAYS, {**columns, "now": now})


def update_stays(stays: Sequence[Stay]) -> None:
    if not stays:
        return
    names = ("id", "status", "step_key", "is_waiting", "outcome", "due_at", "finished_at")
    with connection.cursor() as cursor:
        cursor.execute(UPDATE_STAYS, {name: [getattr(stay, name) for stay in stays] for name in names})


def insert_passed_steps(passed: Sequence[PassedStep], *, now: datetime) -> None:
    if passed:
        with connection.cursor() as cursor:
            cursor.execute(INSERT_RUNS, [now, *map(list, zip(*passed, strict=True))])


def insert_message_runs(stays: Sequence[Stay], *, step_key: str, now: datetime) -> dict[int, int]:
    """Insert the runs of a message step; return their IDs by entry."""
    rows = [(stay.id, stay.version_id, step_key, "done") for stay in stays]
    with connection.cursor() as cursor:
        cursor.execute(INSERT_RUNS + "RETURNING entry_id, id", [now, *map(list, zip(*rows, strict=True))])
        return dict(cursor.fetchall())


def add_counts(counts: StepCounts) -> None:
    """Add to the counts of steps. Call it last in a transaction: other workers wait for these rows until it ends."""
    rows = [(*key, number) for key, number in counts.items() if number]
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(ADD_COUNTS, list(map(list, zip(*rows, strict=True))))
