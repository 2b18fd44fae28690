"""Paginators for tables that are too large to count."""

from typing import cast

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.utils.functional import cached_property

MAX_COUNTED_ROWS = 10_000


class CappedPaginator(Paginator):
    """Counts at most ``MAX_COUNTED_ROWS`` rows; users find later rows with filters, not by paging."""

    @cached_property
    def count(self) -> int:
        rows = cast(QuerySet, self.object_list)
        return rows.order_by()[:MAX_COUNTED_ROWS].count()

    @property
    def is_capped(self) -> bool:
        """Return whether there may be more rows, so that pages do not show the limit as the number of rows."""
        return self.count == MAX_COUNTED_ROWS
