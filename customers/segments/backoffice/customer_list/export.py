"""Downloads the customers of the list as CSV, by permission and recorded in the audit log before the first row leaves."""

from collections.abc import Iterator
from itertools import batched
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import BooleanField, ExpressionWrapper, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from config.foundation.audit_log import record_export
from config.foundation.csv_cells import format_csv
from customers.identity.consent.ledger import PROFILING_PURPOSES
from customers.identity.models import Consent, Customer
from customers.identity.personal_data.masking import mask_id, may_see_personal
from customers.segments.backoffice.customer_list.access import EXPORT_PERMISSION, check_permissions
from customers.segments.backoffice.pages import CHUNK_ROWS, PERSONAL_COLUMNS
from customers.segments.conditions.comparisons import compile_latest_consent
from customers.segments.conditions.condition_tree import ConditionError
from customers.segments.customer_list.list_filter import ListFilterError, parse_list_filter, query_listed
from customers.segments.membership import annotate_user_id

COLUMNS = ("stage", "stage_since", "rfm_group", "orders", "revenue", "first_order_at", "last_order_at")
PREDICTIONS = ("value", "churn")


@require_GET
def download_customers(request: HttpRequest) -> HttpResponseBase:
    """Stream the customers of the filter; names, e-mail addresses and phone numbers only on request and with permission."""
    check_permissions(request, EXPORT_PERMISSION)
    with_ids, with_personal, as_of = may_see_personal(request), "personal" in request.GET, timezone.now()
    if with_personal and not with_ids:
        raise PermissionDenied
    try:
        list_filter = parse_list_filter(request.GET.dict())
        customers = query_listed(list_filter, as_of=as_of)
        details = {
            "list": "customers",
            "personal": with_personal,
            "filters": [*list_filter.quick, *(["condition"] if list_filter.condition else [])],
            "search": bool(list_filter.search),
        }
        record_export(model=Customer, count=customers.count(), details=details)
    except (ListFilterError, ConditionError) as error:
        return HttpResponse(str(error), status=400, content_type="text/plain; charset=utf-8")
    withdrawn = [
        compile_latest_consent(purpose=purpose, status=Consent.Status.WITHDRAWN, as_of=as_of)
        for purpose in PROFILING_PURPOSES
    ]
    rows = annotate_user_id(customers).annotate(
        is_withheld=ExpressionWrapper(withdrawn[0] | withdrawn[1], BooleanField())
    )
    response = StreamingHttpResponse(
        stream_customers(rows.order_by("pk"), with_personal=with_personal, with_ids=with_ids),
        content_type="text/csv; charset=utf-8",
    )
    response["Content-Disposition"] = f'attachment; filename="customers-{as_of:%Y-%m-%d}.csv"'
    return response


def stream_customers(customers: QuerySet[Customer], *, with_personal: bool, with_ids: bool) -> Iterator[str]:
    """Yield blocks of CSV lines; predictions that consent withholds are empty."""
    personal = PERSONAL_COLUMNS if with_personal else ()
    yield format_csv([("customer", "user_id", *PREDICTIONS, *COLUMNS, *personal)])
    names = [f"profile__{column}" for column in (*PREDICTIONS, *COLUMNS)]
    rows = customers.values_list("pk", "user_id", "is_withheld", *names, *personal)
    # a server-side cursor: millions of customers must not fill the memory
    for block in batched(rows.iterator(chunk_size=CHUNK_ROWS), CHUNK_ROWS):
        yield format_csv(make_csv_row(row, with_ids=with_ids) for row in block)


def make_csv_row(row: tuple[Any, ...], *, with_ids: bool) -> tuple[Any, ...]:
    pk, user_id, is_withheld, value, churn, *rest = row
    predictions = (None, None) if is_withheld else (value, churn)
    return (pk, mask_id(user_id or "", with_personal=with_ids), *predictions, *rest)
