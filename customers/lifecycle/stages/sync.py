"""Synchronizes the stored stage changes of all customers with the derived ones.

Only differences are written.
The comparison is made in a kernel, not by PostgreSQL, where joining millions of rows both ways took most of a nightly refresh.
"""

from collections.abc import Sequence

import numpy as np
from django.db import connection
from psycopg import sql

from config.foundation.array_types import Ints
from config.foundation.database.binary_copy import read_integers
from config.foundation.database.bulk_insert import drop_keys_for_first_load
from config.foundation.database.temporary_tables import build_timestamp_expression, load_temporary_table
from customers.lifecycle.facts.id_positions import find_positions
from customers.lifecycle.models import StageRules
from customers.lifecycle.refresh.writer import make_text_array
from customers.lifecycle.scoring.interests.favorite_kernels import group_by_customer
from customers.lifecycle.scoring.stages.derivation import REASONS, OrderHistories, StageHistories
from customers.lifecycle.scoring.stages.history_diff import diff_stage_changes
from customers.lifecycle.scoring.stages.stage_table import STAGES

TABLE = "lifecycle_stagetransition"
# A stage change is encoded as one number, so that equality is one comparison: to and from (0 for none) in four bits each and reason in
# eight, counted from 1, and the ID of the rules above them.
TO, FROM, REASON, RULES = 1, 16, 256, 65_536

SELECT_STORED = sql.SQL("""
    SELECT id, customer_id, at,
           (COALESCE(array_position({stages}, to_stage::text), 0) * {to_unit}
            + COALESCE(array_position({stages}, from_stage::text), 0) * {from_unit}
            + COALESCE(array_position({reasons}, reason::text), 0) * {reason_unit}
            + rules_id * {rules_unit})::bigint AS code
    FROM lifecycle_stagetransition
""")
DELETE_OUTDATED = "DELETE FROM lifecycle_stagetransition t USING lifecycle_outdated_transitions u WHERE t.id = u.id"
INSERT_NEW = sql.SQL("""
    INSERT INTO lifecycle_stagetransition (customer_id, from_stage, to_stage, at, reason, rules_id)
    SELECT customer_id, COALESCE({stages}[from_stage + 1], ''), {stages}[to_stage + 1], {at}, {reasons}[reason + 1], rules_id
    FROM lifecycle_derived_transitions
""")


def sync_stage_history(
    *, histories: OrderHistories, stage_histories: StageHistories, removed_ids: Sequence[int]
) -> tuple[int, int]:
    """Insert and delete the differing rows; return the number of each.

    Equal rows stay untouched, and those of ``removed_ids``.
    """
    parts = {"stages": make_text_array(STAGES), "reasons": make_text_array(REASONS)}
    units = {
        name: sql.Literal(unit)
        for name, unit in {"to_unit": TO, "from_unit": FROM, "reason_unit": REASON, "rules_unit": RULES}.items()
    }
    stored = read_integers(SELECT_STORED.format(**parts, **units), ["id", "customer_id", "at", "code"], moments=["at"])
    rules_id = find_rules_ids(stage_histories)
    code = (
        (stage_histories.to_stage + 1) * TO
        + (stage_histories.from_stage + 1) * FROM
        + (stage_histories.reason + 1) * REASON
        + rules_id * RULES
    )
    n = len(histories.customer)
    start = np.searchsorted(stage_histories.customer, np.append(histories.customer, np.iinfo(np.int64).max))
    customer_row = find_positions(stored["customer_id"], histories.customer)
    is_new, is_outdated = diff_stage_changes(
        start, stage_histories.at, code, *group_by_customer(customer_row, n), stored["at"], stored["code"]
    )
    is_new &= ~np.isin(stage_histories.customer, removed_ids)
    is_outdated &= ~np.isin(stored["customer_id"], removed_ids)
    rows = np.flatnonzero(is_new)
    rows = rows[np.lexsort((stage_histories.customer[rows], stage_histories.at[rows]))]
    with connection.cursor() as cursor:
        if is_outdated.any():
            load_temporary_table("lifecycle_outdated_transitions", {"id": stored["id"][is_outdated]})
            cursor.execute(DELETE_OUTDATED)
        if len(rows):
            load_temporary_table(
                "lifecycle_derived_transitions",
                {
                    "customer_id": stage_histories.customer[rows],
                    "from_stage": stage_histories.from_stage[rows],
                    "to_stage": stage_histories.to_stage[rows],
                    "at": stage_histories.at[rows],
                    "reason": stage_histories.reason[rows],
                    "rules_id": rules_id[rows],
                },
            )
            with drop_keys_for_first_load(cursor, table=TABLE, rows=len(rows)):
                cursor.execute(INSERT_NEW.format(at=build_timestamp_expression("at"), **parts))
    return len(rows), int(is_outdated.sum())


def find_rules_ids(stage_histories: StageHistories) -> Ints:
    """Return the ID of the rules of each change, shape (k,)."""
    ids = dict(StageRules.objects.values_list("version", "id"))
    by_version = np.zeros(max(ids, default=0) + 1, np.int64)
    by_version[list(ids)] = list(ids.values())
    return by_version[stage_histories.version]
