"""Writes the results of a refresh in bulk: profiles, stages, stage changes."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection
from psycopg import sql

from config.foundation.database.binary_copy import IntegerColumns
from config.foundation.database.bulk_insert import drop_keys_for_first_load
from config.foundation.database.temporary_tables import (
    build_timestamp_expression,
    create_temporary_table,
    load_temporary_table,
)
from customers.lifecycle.refresh.columns import make_insert_columns
from customers.lifecycle.refresh.score_columns import ProfileScores
from customers.lifecycle.scoring.stages.derivation import NO_STAGE, REASONS, OrderHistories, StageHistories
from customers.lifecycle.scoring.stages.stage_table import STAGES

INSERT_PROFILES = sql.SQL("""
    INSERT INTO lifecycle_customerprofile (customer_id, {columns})
    SELECT s.customer_id, {values}
    FROM lifecycle_stages s
    JOIN lifecycle_counters c USING (customer_id)
    JOIN lifecycle_favorites f USING (customer_id)
    LEFT JOIN lifecycle_values v USING (customer_id)
    WHERE s.customer_id <> ALL({removed}::bigint[])
    {on_conflict}
""")
ON_CONFLICT_UPDATE = sql.SQL("ON CONFLICT (customer_id) DO UPDATE SET {updates}")

DELETE_OTHER_PROFILES = sql.SQL("""
    DELETE FROM lifecycle_customerprofile p
    WHERE NOT EXISTS (SELECT FROM lifecycle_stages s WHERE s.customer_id = p.customer_id)
      AND p.customer_id <> ALL({removed}::bigint[])
""")

# The sessions in the counters are those of lifecycle_activity, which `compute_counters` created.
DELETE_OUTDATED_SESSIONS = sql.SQL("""
    DELETE FROM lifecycle_countedsession s
    WHERE NOT EXISTS (
        SELECT FROM lifecycle_activity a WHERE a.customer_id = s.customer_id AND a.session_id = s.session_id
    ) AND s.customer_id <> ALL({removed}::bigint[])
""")
INSERT_SESSIONS = sql.SQL("""
    INSERT INTO lifecycle_countedsession (customer_id, session_id)
    SELECT customer_id, session_id FROM lifecycle_activity
    WHERE session_id <> '' AND customer_id <> ALL({removed}::bigint[])
    ON CONFLICT DO NOTHING
""")

UPDATE_STAGES = sql.SQL("""
    UPDATE lifecycle_customerprofile p
    SET stage = {stages}[s.stage + 1], stage_since = {since}, next_stage_change_at = {next_change}
    FROM lifecycle_stages s
    WHERE s.customer_id = p.customer_id
""")

# The derived stage changes, in the types of the table.
SELECT_DERIVED_TRANSITIONS = sql.SQL("""
    SELECT n.customer_id, COALESCE({stages}[n.from_stage + 1], '') AS from_stage, {stages}[n.to_stage + 1] AS to_stage,
           {at} AS at, {reasons}[n.reason + 1] AS reason, r.id AS rules_id
    FROM lifecycle_derived_transitions n
    JOIN lifecycle_stagerules r ON r.version = n.version
""")

DELETE_OUTDATED_TRANSITIONS = sql.SQL("""
    DELETE FROM lifecycle_stagetransition t
    WHERE t.customer_id = ANY({ids}::bigint[]) AND NOT EXISTS (
        SELECT FROM lifecycle_history n
        WHERE n.customer_id = t.customer_id AND n.at = t.at AND n.to_stage = t.to_stage AND n.from_stage = t.from_stage
          AND n.reason = t.reason AND n.rules_id = t.rules_id
    )
""")

INSERT_NEW_TRANSITIONS = sql.SQL("""
    INSERT INTO lifecycle_stagetransition (customer_id, from_stage, to_stage, at, reason, rules_id)
    SELECT customer_id, from_stage, to_stage, at, reason, rules_id
    FROM lifecycle_history n
    WHERE NOT EXISTS (
        SELECT FROM lifecycle_stagetransition t
        WHERE t.customer_id = n.customer_id AND t.at = n.at AND t.to_stage = n.to_stage
    )
    ORDER BY at, customer_id
""")


def write_profiles(
    *,
    histories: OrderHistories,
    stage_histories: StageHistories,
    scores: ProfileScores,
    as_of: datetime,
    removed_ids: Sequence[int],
) -> None:
    """Write the profiles of all customers in ``histories`` and delete all others, except those of ``removed_ids``.

    The counters and favorites are in the temporary tables of `compute_counters`.
    """
    removed = sql.Literal(list(removed_ids))
    load_temporary_table("lifecycle_stages", _make_stage_columns(histories, stage_histories))
    load_temporary_table("lifecycle_values", {"customer_id": scores.customer, **scores.columns})
    parts = {
        "stages": make_text_array(STAGES),
        "since": build_timestamp_expression("s.since"),
        "next_change": build_timestamp_expression("s.next_change"),
        "as_of": sql.Literal(as_of),
    }
    columns = [
        *make_insert_columns(parts),
        *zip(map(sql.Identifier, scores.columns), scores.build_expressions(), strict=True),
    ]
    updates = sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(name) for name, _value in columns)
    with connection.cursor() as cursor:
        with drop_keys_for_first_load(
            cursor, table="lifecycle_customerprofile", rows=len(histories.customer)
        ) as keys_dropped:
            # Without its keys the table has no constraint for ON CONFLICT; it is empty then, so there is no conflict.
            statement = INSERT_PROFILES.format(
                columns=sql.SQL(", ").join(name for name, _value in columns),
                values=sql.SQL(", ").join(value for _name, value in columns),
                removed=removed,
                on_conflict=sql.SQL("") if keys_dropped else ON_CONFLICT_UPDATE.format(updates=updates),
            )
            cursor.execute(statement)
        for following in (DELETE_OTHER_PROFILES, DELETE_OUTDATED_SESSIONS, INSERT_SESSIONS):
            cursor.execute(following.format(removed=removed))


def write_stages(*, histories: OrderHistories, stage_histories: StageHistories) -> int:
    """Write only the stages of some customers; return the number of changed profiles."""
    load_temporary_table("lifecycle_stages", _make_stage_columns(histories, stage_histories))
    parts = {
        "stages": make_text_array(STAGES),
        "since": build_timestamp_expression("s.since"),
        "next_change": build_timestamp_expression("s.next_change"),
    }
    with connection.cursor() as cursor:
        cursor.execute(UPDATE_STAGES.format(**parts))
        return cursor.rowcount


def write_transitions(*, stage_histories: StageHistories, customer_ids: Sequence[int]) -> None:
    """Synchronize the stored stage changes of these customers with the derived ones.

    Equal rows stay untouched.
    """
    changes = {
        "customer_id": stage_histories.customer,
        "from_stage": stage_histories.from_stage,
        "to_stage": stage_histories.to_stage,
        "at": stage_histories.at,
        "reason": stage_histories.reason,
        "version": stage_histories.version,
    }
    assert NO_STAGE == -1  # SQL arrays count from 1, so element 0 is null, which becomes the empty text
    load_temporary_table("lifecycle_derived_transitions", changes)
    create_temporary_table(
        "lifecycle_history",
        SELECT_DERIVED_TRANSITIONS.format(
            stages=make_text_array(STAGES), reasons=make_text_array(REASONS), at=build_timestamp_expression("n.at")
        ),
    )
    with connection.cursor() as cursor:
        cursor.execute(DELETE_OUTDATED_TRANSITIONS.format(ids=sql.Literal(list(customer_ids))))
        cursor.execute(INSERT_NEW_TRANSITIONS)


def _make_stage_columns(histories: OrderHistories, stage_histories: StageHistories) -> IntegerColumns:
    return {
        "customer_id": histories.customer,
        "stage": stage_histories.stage,
        "since": stage_histories.since,
        "next_change": stage_histories.next_change_at,
    }


def make_text_array(values: Sequence[str]) -> sql.Composable:
    """Return an SQL array of texts; its first element has index 1."""
    return sql.SQL("({}::text[])").format(sql.Literal(list(values)))
