"""Moves orders when customers are merged, and back when the merge is reverted."""

from collections.abc import Mapping, Sequence
from typing import Any

from customers.identity.merging.row_moves import MovedRows, move_rows, restore_rows
from customers.orders.models import Order

MERGED_MODELS = (Order,)


def move_orders(*, pairs: Sequence[tuple[int, int]], **_kwargs: Any) -> MovedRows:
    return move_rows(models=MERGED_MODELS, pairs=pairs)


def restore_orders(*, merges: Sequence[tuple[int, int, Mapping[str, Any]]], **_kwargs: Any) -> None:
    """Move back the orders of the merged customers, also those that were placed since with an identifier of theirs."""
    restore_rows(models=MERGED_MODELS, merges=merges)
    _reassign_orders([customer_id for kept, merged, _rows in merges for customer_id in (kept, merged)])


def reassign_after_transfer(*, customer_ids: Sequence[int], **_kwargs: Any) -> None:
    """Move orders with the identifiers that their events name, as the events move."""
    _reassign_orders(customer_ids)


def _reassign_orders(customer_ids: Sequence[int]) -> None:
    # only here: every process connects the receivers at its start, and few derive orders
    from customers.orders.order_events.ownership import reassign_orders

    reassign_orders(customer_ids)
