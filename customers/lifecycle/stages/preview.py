"""Who would stand elsewhere by other thresholds, before anybody puts them in force. Nothing is written."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from config.foundation.array_types import Ints
from customers.lifecycle.facts.histories import microseconds
from customers.lifecycle.facts.order_facts import read_facts
from customers.lifecycle.models import StageRules
from customers.lifecycle.scoring.stages.derivation import STAGES, Stories, derive_stages
from customers.lifecycle.stages.rules import MEASURED_ONLY, all_versions, rules_in_force, thresholds_of


@dataclass(frozen=True, eq=False)
class Moves:
    """Customers who would stand elsewhere, shape (k,): their ids, present stage and stage to be (indices of STAGES).

    customers: of how many; counts: per stage now and then, shape (stages,) each.
    """

    customer: Ints
    now: Ints
    then: Ints
    customers: int
    counts_now: Ints
    counts_then: Ints

    def cells(self) -> list[dict[str, Any]]:
        """How many would move from which stage to which, the most first."""
        pairs, counts = np.unique(np.stack([self.now, self.then]), axis=1, return_counts=True)
        rows = [
            {"from_stage": STAGES[now], "to_stage": STAGES[then], "customers": int(count)}
            for now, then, count in zip(*pairs, counts, strict=True)
        ]
        return sorted(rows, key=lambda row: -row["customers"])


def preview_rules(*, values: Mapping[str, Any], as_of: datetime) -> Moves:
    """Everybody's stage as of a moment by the rules in force, and by them with ``values`` in force as `put_in_force` would store them.

    values: fields of StageRules; ``in_force_from`` None tells the whole history anew.
    """
    histories = read_facts(as_of=as_of).histories
    versions = list(all_versions())
    fields = {
        name: value for name, value in values.items() if name in {field.name for field in StageRules._meta.fields}
    }
    latest = max((version.version for version in versions), default=0)
    current = rules_in_force()
    measured = {name: getattr(current, name) for name in MEASURED_ONLY} if current else {}
    proposed = thresholds_of(StageRules(**{**measured, **fields, "version": latest + 1}))
    if proposed.in_force_from is not None and proposed.in_force_from > microseconds(as_of):
        proposed = replace(proposed, in_force_from=microseconds(as_of))  # shown as if the moment had come

    def told(rules: list[Any]) -> Stories:
        return derive_stages(histories=histories, versions=rules, as_of=microseconds(as_of))

    then = told([*versions, proposed]).stage
    now = told(versions).stage if versions else then
    moved = np.flatnonzero(now != then)
    return Moves(
        customer=histories.customer[moved],
        now=now[moved],
        then=then[moved],
        customers=len(histories.customer),
        counts_now=np.bincount(now, minlength=len(STAGES)),
        counts_then=np.bincount(then, minlength=len(STAGES)),
    )
