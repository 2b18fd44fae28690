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
from customers.lifecycle.stages.freshness import find_time_limit
from customers.lifecycle.stages.rules import MEASURED_FIELDS, get_active_rules, list_threshold_versions, to_thresholds


@dataclass(frozen=True, eq=False)
class RulesPreview:
    """Customers whose stage would change, shape (k,).

    IDs, current and proposed stages (indices of STAGES).
    customers: number of all customers. current_counts, proposed_counts: customers per stage, shape (stages,).
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
            {"from_stage": STAGES[current], "to_stage": STAGES[proposed], "customers": int(count)}
            for current, proposed, count in zip(*pairs, counts, strict=True)
        ]
        return sorted(rows, key=lambda row: -row["customers"])


def preview_rules(*, values: Mapping[str, Any], as_of: datetime) -> RulesPreview:
    """Compare the stages by the active rules with those after `activate_rules(**values)`.

    values: fields of StageRules; ``effective_from`` None recalculates the whole history.
    """
    histories = read_order_facts(as_of=as_of).histories
    versions = list(list_threshold_versions())
    fields = {
        name: value for name, value in values.items() if name in {field.name for field in StageRules._meta.fields}
    }
    latest = max((version.version for version in versions), default=0)
    active_rules = get_active_rules()
    measured = {name: getattr(active_rules, name) for name in MEASURED_FIELDS} if active_rules else {}
    proposed = to_thresholds(StageRules(**{**measured, **fields, "version": latest + 1}))
    if proposed.effective_from is not None and proposed.effective_from > to_microseconds(as_of):
        # Future rules change nothing yet, so preview them as if they were effective now.
        proposed = replace(proposed, effective_from=to_microseconds(as_of))

    time_limit = find_time_limit(as_of=as_of)

    def derive_with(rules: list[Any]) -> StageHistories:
        return derive_stages(histories=histories, versions=rules, as_of=to_microseconds(as_of), time_limit=time_limit)

    proposed_stages = derive_with([*versions, proposed]).stage
    current_stages = derive_with(versions).stage if versions else proposed_stages
    changed = np.flatnonzero(current_stages != proposed_stages)
    return RulesPreview(
        customer=histories.customer[changed],
        current=current_stages[changed],
        proposed=proposed_stages[changed],
        customers=len(histories.customer),
        current_counts=np.bincount(current_stages, minlength=len(STAGES)),
        proposed_counts=np.bincount(proposed_stages, minlength=len(STAGES)),
    )
