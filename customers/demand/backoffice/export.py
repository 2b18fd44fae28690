"""Downloads the restock list as CSV."""

from collections.abc import Iterator

from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from config.foundation.audit_log import record_export
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.csv_cells import format_csv, mark_encoding
from customers.demand.models import RestockItem
from customers.demand.restock_list import query_restock_items

COLUMNS = (
    "product_id",
    "sku",
    "title",
    "stock",
    "incoming",
    "lead_days",
    "return_rate",
    "lead_demand",
    "safety_stock",
    "reorder_point",
    "days_left",
    "order_quantity",
    "order_value",
    "lost_units",
    "money_at_risk",
    "computed_at",
)
STATES = ("", "now", "soon")
CHUNK_ROWS = 1_000


@require_GET
def download_restock_list(request: HttpRequest) -> StreamingHttpResponse:
    """Stream the items of the chosen state, the largest margin at risk first."""
    check_permissions(request, "demand.view_restockitem")
    state = request.GET.get("state", "")
    state = state if state in STATES else ""
    record_export(model=RestockItem, count=query_restock_items(state).count(), details={"list": "restock"})
    response = StreamingHttpResponse(mark_encoding(stream_items(state)), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="restock-{timezone.localdate():%Y-%m-%d}.csv"'
    return response


def stream_items(state: str) -> Iterator[str]:
    yield format_csv([COLUMNS])
    lookups = [f"product__{name}" if name in ("product_id", "sku", "title") else name for name in COLUMNS]
    rows = query_restock_items(state).values_list(*lookups)
    for row in rows.iterator(chunk_size=CHUNK_ROWS):
        yield format_csv([row])
