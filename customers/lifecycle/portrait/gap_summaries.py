"""How unusual the time since the last order is, for some customers."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from customers.lifecycle.facts.histories import read_histories, to_microseconds
from customers.lifecycle.scoring.stages.derivation import OrderHistories
from customers.lifecycle.scoring.stages.gap_summary import GapSummary, summarize_gaps
from customers.lifecycle.stages.rules import get_active_rules, to_thresholds


def summarize_customer_gaps(*, customer_ids: Sequence[int], as_of: datetime) -> dict[int, GapSummary]:
    """Return the summaries by customer ID; without those who have no order. Empty without rules, or with rules of quantiles."""
    rules = get_active_rules()
    if rules is None or not customer_ids:
        return {}
    # With categories, because the rule that decides the stage compares with gaps of the customer's main category.
    histories = read_histories(as_of=as_of, customer_ids=customer_ids)
    thresholds, moment = to_thresholds(rules), to_microseconds(as_of)
    summaries = {
        int(customer_id): summarize_gaps(histories=select_customer(histories, row), thresholds=thresholds, as_of=moment)
        for row, customer_id in enumerate(histories.customer)
    }
    return {customer_id: summary for customer_id, summary in summaries.items() if summary is not None}


def select_customer(histories: OrderHistories, row: int) -> OrderHistories:
    """Return the history of one customer."""
    facts = slice(int(histories.start[row]), int(histories.start[row + 1]))
    return replace(
        histories,
        customer=histories.customer[row : row + 1],
        known_at=histories.known_at[row : row + 1],
        identified_at=histories.identified_at[row : row + 1],
        start=histories.start[row : row + 2] - histories.start[row],
        at=histories.at[facts],
        amount=histories.amount[facts],
        is_order=histories.is_order[facts],
        category=None if histories.category is None else histories.category[facts],
    )
