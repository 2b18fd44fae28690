"""Writes what a refresh computed, in sets: profiles, stages, transitions."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection
from psycopg import sql

from config.foundation.database.binary_copy import Columns
from config.foundation.database.bulk_insert import without_keys
from config.foundation.database.temporary_tables import fill_temporary, make_temporary, moment
from customers.lifecycle.refresh.score_columns import Scores
from customers.lifecycle.scoring.stages.derivation import NO_STAGE, REASONS, STAGES, Histories, Stories

PROFILES = sql.SQL("""
    INSERT INTO lifecycle_customerprofile (
        customer_id, first_order_at, last_order_at, orders, returns, units, revenue, discounts, average_order_value,
        average_gap_days, events, sessions, last_event_at, favourite_categories, favourite_brands, favourite_hours,
        {values}, stage, stage_since, next_flip_at, computed_at, valued_at
    )
    SELECT s.customer_id, c.first_order_at, c.last_order_at, c.orders, c.returns, c.units, c.revenue, c.discounts,
           c.average_order_value, c.average_gap_days, c.events, c.sessions, c.last_event_at,
           f.categories, f.brands, f.hours,
           {scores}, {stages}[s.stage + 1], {since}, {next_flip}, {as_of}, {as_of}
    FROM lifecycle_stages s
    JOIN lifecycle_counters c USING (customer_id)
    JOIN lifecycle_favourites f USING (customer_id)
    LEFT JOIN lifecycle_values v USING (customer_id)
    {written_before}
""")
WRITTEN_BEFORE = sql.SQL("""
    ON CONFLICT (customer_id) DO UPDATE SET
        first_order_at = excluded.first_order_at, last_order_at = excluded.last_order_at, orders = excluded.orders,
        returns = excluded.returns, units = excluded.units, revenue = excluded.revenue, discounts = excluded.discounts,
        average_order_value = excluded.average_order_value, average_gap_days = excluded.average_gap_days,
        events = excluded.events, sessions = excluded.sessions, last_event_at = excluded.last_event_at,
        favourite_categories = excluded.favourite_categories, favourite_brands = excluded.favourite_brands,
        favourite_hours = excluded.favourite_hours, {excluded}, stage = excluded.stage, stage_since = excluded.stage_since,
        next_flip_at = excluded.next_flip_at, computed_at = excluded.computed_at, valued_at = excluded.valued_at
""")

FORGOTTEN = sql.SQL("""
    DELETE FROM lifecycle_customerprofile p
    WHERE NOT EXISTS (SELECT FROM lifecycle_stages s WHERE s.customer_id = p.customer_id)
""")

# what was seen of whom: that which the counters have counted
SESSIONS_NO_LONGER_SEEN = sql.SQL("""
    DELETE FROM lifecycle_seensession s
    WHERE NOT EXISTS (
        SELECT FROM lifecycle_activity a WHERE a.customer_id = s.customer_id AND a.session_id = s.session_id
    )
""")
SESSIONS_SEEN = sql.SQL("""
    INSERT INTO lifecycle_seensession (customer_id, session_id)
    SELECT customer_id, session_id FROM lifecycle_activity WHERE session_id <> ''
    ON CONFLICT DO NOTHING
""")

STAGES_OF_SOME = sql.SQL("""
    UPDATE lifecycle_customerprofile p
    SET stage = {stages}[s.stage + 1], stage_since = {since}, next_flip_at = {next_flip}
    FROM lifecycle_stages s
    WHERE s.customer_id = p.customer_id
""")

# the history as told, in the types of the table
TOLD = sql.SQL("""
    SELECT n.customer_id, COALESCE({stages}[n.from_stage + 1], '') AS from_stage, {stages}[n.to_stage + 1] AS to_stage,
           {at} AS at, {reasons}[n.reason + 1] AS reason, r.id AS rules_id
    FROM lifecycle_told n
    JOIN lifecycle_stagerules r ON r.version = n.version
""")

NO_LONGER_TOLD = sql.SQL("""
    DELETE FROM lifecycle_stagetransition t
    WHERE t.customer_id = ANY({ids}::bigint[]) AND NOT EXISTS (
        SELECT FROM lifecycle_history n
        WHERE n.customer_id = t.customer_id AND n.at = t.at AND n.to_stage = t.to_stage AND n.from_stage = t.from_stage
          AND n.reason = t.reason AND n.rules_id = t.rules_id
    )
""")

NEWLY_TOLD = sql.SQL("""
    INSERT INTO lifecycle_stagetransition (customer_id, from_stage, to_stage, at, reason, rules_id)
    SELECT customer_id, from_stage, to_stage, at, reason, rules_id
    FROM lifecycle_history n
    WHERE NOT EXISTS (
        SELECT FROM lifecycle_stagetransition t
        WHERE t.customer_id = n.customer_id AND t.at = n.at AND t.to_stage = n.to_stage
    )
    ORDER BY at, customer_id
""")


def write_profiles(*, histories: Histories, stories: Stories, scores: Scores, as_of: datetime) -> None:
    """One row for everyone in ``histories`` and for nobody else; the counters come from ``compute_counters``."""
    fill_temporary("lifecycle_stages", _stage_columns(histories, stories))
    fill_temporary("lifecycle_values", {"customer_id": scores.customer, **scores.columns})
    parts = {
        "values": sql.SQL(", ").join(map(sql.Identifier, scores.columns)),
        "scores": sql.SQL(", ").join(scores.expressions()),
        "excluded": sql.SQL(", ").join(
            sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in scores.columns
        ),
        "stages": texts(STAGES),
        "since": moment("s.since"),
        "next_flip": moment("s.next_flip"),
        "as_of": sql.Literal(as_of),
    }
    with connection.cursor() as cursor:
        with without_keys(cursor, table="lifecycle_customerprofile", rows=len(histories.customer)) as first:
            written_before = sql.SQL("") if first else WRITTEN_BEFORE.format(**parts)
            cursor.execute(PROFILES.format(**parts, written_before=written_before))
        cursor.execute(FORGOTTEN)
        cursor.execute(SESSIONS_NO_LONGER_SEEN)
        cursor.execute(SESSIONS_SEEN)


def write_stages(*, histories: Histories, stories: Stories) -> int:
    """The stages of some customers, whose other figures stay; the number of changed profiles."""
    fill_temporary("lifecycle_stages", _stage_columns(histories, stories))
    parts = {"stages": texts(STAGES), "since": moment("s.since"), "next_flip": moment("s.next_flip")}
    with connection.cursor() as cursor:
        cursor.execute(STAGES_OF_SOME.format(**parts))
        return cursor.rowcount


def write_transitions(*, stories: Stories, customer_ids: Sequence[int]) -> None:
    """Makes the stored history of those named that which was told. A history that is already stored is not touched."""
    told = {
        "customer_id": stories.customer,
        "from_stage": stories.from_stage,
        "to_stage": stories.to_stage,
        "at": stories.at,
        "reason": stories.reason,
        "version": stories.version,
    }
    assert NO_STAGE == -1  # element 0 of an array is null, which becomes the empty text
    fill_temporary("lifecycle_told", told)
    make_temporary("lifecycle_history", TOLD.format(stages=texts(STAGES), reasons=texts(REASONS), at=moment("n.at")))
    with connection.cursor() as cursor:
        cursor.execute(NO_LONGER_TOLD.format(ids=sql.Literal(list(customer_ids))))
        cursor.execute(NEWLY_TOLD)


def _stage_columns(histories: Histories, stories: Stories) -> Columns:
    return {
        "customer_id": histories.customer,
        "stage": stories.stage,
        "since": stories.since,
        "next_flip": stories.next_flip,
    }


def texts(values: Sequence[str]) -> sql.Composable:
    """As an array, whose elements count from 1."""
    return sql.SQL("({}::text[])").format(sql.Literal(list(values)))
