"""Paginators for tables that are too large to count."""

from typing import cast

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.utils.functional import cached_property

MAX_COUNTED_ROWS = 10_000


class CappedPaginator(Paginator):
    """Counts no further than ``MOST_COUNTED`` rows: nobody turns a hundred pages, a filter finds what is behind them."""

    @cached_property
    def count(self) -> int:
        rows = cast(QuerySet, self.object_list)
        return rows.order_by()[:MAX_COUNTED_ROWS].count()
