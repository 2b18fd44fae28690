"""Preview of the stage changes that new thresholds would cause. Nothing is written."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from config.foundation.array_types import Ints
from customers.lifecycle.facts.histories import to_microseconds
from customers.lifecycle.facts.order_facts import read_order_facts
from customers.lifecycle.models import StageRules
from customers.lifecycle.scoring.stages.derivation import StageHistories, derive_stages
from customers.lifecycle.scoring.stages.stage_table import STAGES
from customers.lifecycle.stages.rules import MEASURED_FIELDS, get_active_rules, list_threshold_versions, to_thresholds


@dataclass(frozen=True, eq=False)
class RulesPreview:
    """Customers whose stage would change, shape (k,): IDs, current and proposed stages (indices of STAGES).

    customers: of how many; counts: per stage now and then, shape (stages,) each.
    """

    customer: Ints
    current: Ints
    proposed: Ints
    customers: int
    current_counts: Ints
    proposed_counts: Ints

    def count_changes(self) -> list[dict[str, Any]]:
        """Return the number of customers per change, largest first."""
        pairs, counts = np.unique(np.stack([self.current, self.proposed]), axis=1, return_counts=True)
        rows = [
            {"from_stage": STAGES[now], "to_stage": STAGES[then], "customers": int(count)}
            for now, then, count in zip(*pairs, counts, strict=True)
        ]
        return sorted(rows, key=lambda row: -row["customers"])


def preview_rules(*, values: Mapping[str, Any], as_of: datetime) -> RulesPreview:
    """Compare all stages by the active rules with those after `activate_rules` with ``values``.

    values: fields of StageRules; ``effective_from`` None recalculates the whole history.
    """
    histories = read_order_facts(as_of=as_of).histories
    versions = list(list_threshold_versions())
    fields = {
        name: value for name, value in values.items() if name in {field.name for field in StageRules._meta.fields}
    }
    latest = max((version.version for version in versions), default=0)
    current = get_active_rules()
    measured = {name: getattr(current, name) for name in MEASURED_FIELDS} if current else {}
    proposed = to_thresholds(StageRules(**{**measured, **fields, "version": latest + 1}))
    if proposed.effective_from is not None and proposed.effective_from > to_microseconds(as_of):
        proposed = replace(
            proposed, effective_from=to_microseconds(as_of)
        )  # preview as if the rules were effective already

    def derive_with(rules: list[Any]) -> StageHistories:
        return derive_stages(histories=histories, versions=rules, as_of=to_microseconds(as_of))

    then = derive_with([*versions, proposed]).stage
    now = derive_with(versions).stage if versions else then
    moved = np.flatnonzero(now != then)
    return RulesPreview(
        customer=histories.customer[moved],
        current=now[moved],
        proposed=then[moved],
        customers=len(histories.customer),
        current_counts=np.bincount(now, minlength=len(STAGES)),
        proposed_counts=np.bincount(then, minlength=len(STAGES)),
    )
