"""CSV of the customers who are held out of a flow, to compare them elsewhere."""

from collections.abc import Iterator
from itertools import batched

from django.db.models import F, Min, OuterRef, Q, QuerySet, Subquery

from config.foundation.audit_log import record_export
from config.foundation.csv_cells import format_csv
from customers.identity.models import Customer
from customers.identity.personal_data.masking import mask_id
from customers.segments.membership import annotate_user_id
from recommendations.flows.models import Flow
from recommendations.measurement.models import Assignment

CHUNK_ROWS = 5000
PROFILE_COLUMNS = ("stage", "rfm_group", "r", "f", "m", "orders", "revenue", "last_order_at")
COLUMNS = ("user_id", "held_out_at", *PROFILE_COLUMNS)


def stream_held_out(flow: Flow, *, with_personal: bool) -> Iterator[str]:
    """Yield the customers of the holdout group as blocks of CSV lines, as they are known now. The download is recorded.

    Erased customers are missing. Without ``with_personal``, user IDs that are addresses are masked.
    """
    record_export(model=Flow, pks=[flow.pk], details={"flow": flow.key, "group": "holdout"})
    columns = ("user_id", "held_out_at", *(f"profile__{column}" for column in PROFILE_COLUMNS))
    rows = annotate_user_id(query_held_out(flow)).order_by("pk").values_list(*columns)
    yield format_csv([COLUMNS])
    for block in batched(rows.iterator(chunk_size=CHUNK_ROWS), CHUNK_ROWS):
        yield format_csv((mask_id(user_id or "", with_personal=with_personal), *values) for user_id, *values in block)


def query_held_out(flow: Flow) -> QuerySet[Customer]:
    """Return the customers who count as held out, with ``held_out_at``; of merged ones, the first assignment counts as in the results."""
    of_flow = Assignment.objects.filter(kind=Assignment.Kind.FLOW, scope_id=flow.pk, holdout_share__gt=0)
    held_out = (
        of_flow.values("customer_id")
        .annotate(
            held_out_at=Min("assigned_at", filter=Q(is_held_out=True)),
            treated_at=Min("assigned_at", filter=Q(is_held_out=False)),
        )
        .filter(Q(treated_at=None) | Q(held_out_at__lt=F("treated_at")), held_out_at__isnull=False)
    )
    first = held_out.filter(customer_id=OuterRef("pk")).values("held_out_at")
    customers = Customer.objects.filter(pk__in=held_out.values("customer_id"), erased_at__isnull=True)
    return customers.annotate(held_out_at=Subquery(first))
