"""Downloads the customers of the list as CSV, by permission and recorded in the audit log before the first row is sent."""

from array import array
from collections.abc import Iterator, Sequence, Set
from itertools import batched
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from config.foundation.audit_log import record_export
from config.foundation.csv_cells import format_csv, mark_encoding
from customers.identity.consent.ledger import find_customers_without_profiling
from customers.identity.models import Customer
from customers.identity.personal_data.masking import mask_id, may_see_personal
from customers.segments.backoffice.customer_list.access import EXPORT_PERMISSION, check_list_permissions
from customers.segments.backoffice.pages import CHUNK_ROWS, PERSONAL_COLUMNS
from customers.segments.conditions.condition_tree import ConditionError
from customers.segments.customer_list.list_filter import (
    ListFilterError,
    ListTimeoutError,
    parse_list_filter,
    query_listed,
    report_timeouts,
)
from customers.segments.membership import annotate_user_id

COLUMNS = ("stage", "stage_since", "rfm_group", "orders", "revenue", "first_order_at", "last_order_at")
PREDICTIONS = ("value", "churn")


@require_GET
def download_customers(request: HttpRequest) -> HttpResponseBase:
    """Stream the customers of the filter; names, email addresses and phone numbers only on request and with permission."""
    check_list_permissions(request, EXPORT_PERMISSION)
    with_ids, with_personal, as_of = may_see_personal(request), "personal" in request.GET, timezone.now()
    if with_personal and not with_ids:
        raise PermissionDenied
    try:
        list_filter = parse_list_filter(request.GET.dict())
        # The filter runs once; the rows are read in blocks, so that no statement takes long however many there are.
        with report_timeouts():
            listed = query_listed(list_filter, as_of=as_of).order_by("pk").values_list("pk", flat=True)
            ids = array("q", listed.iterator())
    except (ListFilterError, ListTimeoutError, ConditionError) as error:
        return HttpResponse(str(error), status=400, content_type="text/plain; charset=utf-8")
    details = {
        "list": "customers",
        "personal": with_personal,
        "filters": [*list_filter.quick, *(["condition"] if list_filter.condition else [])],
        "search": bool(list_filter.search),
    }
    record_export(model=Customer, count=len(ids), details=details)
    response = StreamingHttpResponse(
        mark_encoding(stream_customers(ids, with_personal=with_personal, with_ids=with_ids)),
        content_type="text/csv; charset=utf-8",
    )
    response["Content-Disposition"] = f'attachment; filename="customers-{timezone.localtime(as_of):%Y-%m-%d}.csv"'
    return response


def stream_customers(ids: Sequence[int], *, with_personal: bool, with_ids: bool) -> Iterator[str]:
    """Yield blocks of CSV lines; predictions that consent withholds are empty."""
    personal = PERSONAL_COLUMNS if with_personal else ()
    yield format_csv([("customer", "user_id", *PREDICTIONS, *COLUMNS, *personal)])
    names = [f"profile__{column}" for column in (*PREDICTIONS, *COLUMNS)]
    for block in batched(ids, CHUNK_ROWS):
        customers = annotate_user_id(Customer.objects.filter(pk__in=block)).order_by("pk")
        withheld = find_customers_without_profiling(customer_ids=block)
        rows = customers.values_list("pk", "user_id", *names, *personal)
        yield format_csv(make_csv_row(row, withheld=withheld, with_ids=with_ids) for row in rows)


def make_csv_row(row: tuple[Any, ...], *, withheld: Set[int], with_ids: bool) -> tuple[Any, ...]:
    pk, user_id, value, churn, *rest = row
    predictions = (None, None) if pk in withheld else (value, churn)
    return (pk, mask_id(user_id or "", with_personal=with_ids), *predictions, *rest)
