"""Admin pages of segments: the preview in the condition builder, and the list of members."""

from collections.abc import Iterator
from itertools import batched
from typing import Any

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from config.foundation.audit_log import record_export
from config.foundation.csv_cells import format_csv, mark_encoding
from config.foundation.json_nesting import load_json
from customers.identity.backoffice.customer_links import make_customers_url
from customers.identity.models import Customer
from customers.identity.personal_data.masking import mask_id, may_see_personal
from customers.lifecycle.backoffice.customer_names import read_names
from customers.lifecycle.facts.amounts import get_amount_currency
from customers.segments.conditions.catalog_names import search_values, suggest_names
from customers.segments.conditions.condition_tree import ConditionError
from customers.segments.membership import annotate_list_columns, annotate_user_id, preview_condition, query_members
from customers.segments.models import Segment

PAGE_SIZE = 100
CHUNK_ROWS = 5000
COLUMNS = ("stage", "rfm_group", "r", "f", "m", "orders", "revenue", "last_order_at")
PERSONAL_COLUMNS = ("name", "email", "phone")


def show_preview(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    """Return the number of customers for the condition in the body, or its problems, as JSON."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    return build_preview_response(request)


@require_POST
def build_preview_response(request: HttpRequest) -> JsonResponse:
    try:
        body = load_json(request.body)
        condition, key = body["condition"], str(body.get("key", ""))
    except (ValueError, KeyError, AttributeError, TypeError):
        problem = {"path": "$", "code": "json", "message": _('The body must be JSON: {"condition": …, "key": …}.')}
        return JsonResponse({"problems": [problem]}, status=400)
    try:
        preview = preview_condition(condition=condition, key=key, sample=0, as_of=timezone.now())
    except ConditionError as error:
        return JsonResponse({"problems": [vars(problem) for problem in error.problems]}, status=400)
    return JsonResponse({"count": preview.count, "duration_ms": round(preview.duration_ms, 1), "as_of": preview.as_of})


def parse_condition_parameter(text: str) -> Any:
    """Return the condition of a link.

    Text that is not JSON is shown as is, and rejected by the form.
    """
    try:
        return load_json(text)
    except ValueError:
        return text


def show_suggestions(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    """Return the names of a field that contain the typed text; without a field, the matching values of all fields with their numbers of customers."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    return build_suggestions_response(request)


@require_GET
def build_suggestions_response(request: HttpRequest) -> JsonResponse:
    text = request.GET.get("q", "")[:100]
    if "field" not in request.GET:
        return JsonResponse({"values": [value._asdict() for value in search_values(text=text)]})
    names = suggest_names(field=request.GET["field"], text=text)
    return JsonResponse({"names": names})


def show_members(request: HttpRequest, *, model_admin: ModelAdmin, segment_id: int) -> HttpResponse:
    """Show the current members, 100 per page.

    ``?after=`` is the last customer of the previous page.
    """
    segment = get_visible_segment(request, model_admin, segment_id)
    as_of, with_personal = timezone.now(), may_see_personal(request)
    after = request.GET.get("after", "")
    context: dict[str, Any] = {"rows": [], "count": None, "problem": "", "next": None, "after": after}
    try:
        matching = query_members(segment=segment, as_of=as_of)
        rows = fetch_page(annotate_list_columns(matching), int(after) if after.isdecimal() and len(after) < 19 else 0)
        count = matching.count()
        context |= {
            "rows": name_members(rows[:PAGE_SIZE], with_personal=with_personal),
            "currency": get_amount_currency(),
            "count": count,
            "shown_count": number_format(count, force_grouping=True),
            "next": rows[PAGE_SIZE - 1].pk if len(rows) > PAGE_SIZE else None,
        }
    except ConditionError as error:
        context["problem"] = str(error)
    return TemplateResponse(
        request,
        "admin/segments/members.html",
        {
            **model_admin.admin_site.each_context(request),
            "title": _("Members of %(name)s") % {"name": segment.name},
            "opts": model_admin.opts,
            "segment": segment,
            "list_url": make_customers_url({"all": [{"field": "segment", "op": "in", "value": [segment.key]}]}),
            "as_of": as_of,
            "with_personal": with_personal,
            **context,
        },
    )


def get_visible_segment(request: HttpRequest, model_admin: ModelAdmin, segment_id: int) -> Segment:
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    return get_object_or_404(Segment, pk=segment_id)


def name_members(members: list[Customer], *, with_personal: bool) -> list[Customer]:
    """Set ``shown_name``, the name or the user ID or the customer number, and ``detail``, the user ID below a name."""
    names = read_names([member.pk for member in members]) if with_personal else {}
    for member in members:
        user_id = mask_id(member.user_id or "", with_personal=with_personal, mask="")  # type: ignore[attr-defined]
        name = names.get(member.pk, "")
        member.shown_name, member.detail = name or user_id or str(member), user_id if name else ""  # type: ignore[attr-defined]
    return members


def fetch_page(customers: QuerySet[Customer], after: int) -> list[Customer]:
    return list(customers.filter(pk__gt=after).order_by("pk")[: PAGE_SIZE + 1])


def download_members(request: HttpRequest, *, model_admin: ModelAdmin, segment_id: int) -> HttpResponseBase:
    """Download all members.

    Names, email addresses and phone numbers only on request and with permission; user IDs that are addresses or phone numbers
    only with permission.
    """
    segment = get_visible_segment(request, model_admin, segment_id)
    with_personal = "personal" in request.GET
    if with_personal and not may_see_personal(request):
        raise PermissionDenied
    try:
        customers = annotate_user_id(query_members(segment=segment, as_of=timezone.now())).order_by("pk")
        details = {"segment": segment.key, "personal": with_personal}
        record_export(model=Customer, count=customers.count(), details=details)
    except ConditionError as error:
        return HttpResponse(str(error), status=409, content_type="text/plain; charset=utf-8")
    response = StreamingHttpResponse(
        mark_encoding(stream_csv(customers, with_personal, with_ids=may_see_personal(request))),
        content_type="text/csv; charset=utf-8",
    )
    response["Content-Disposition"] = f'attachment; filename="segment-{segment.key}.csv"'
    return response


def stream_csv(customers: QuerySet[Customer], with_personal: bool, *, with_ids: bool) -> Iterator[str]:
    """Yield blocks of CSV lines; personal fields are decrypted only on request."""
    personal = PERSONAL_COLUMNS if with_personal else ()
    yield format_csv([("user_id", *COLUMNS, *personal)])
    rows = customers.values_list("user_id", *(f"profile__{column}" for column in COLUMNS), *personal)
    # a server-side cursor: a segment of millions of customers must not fill the memory
    for block in batched(rows.iterator(chunk_size=CHUNK_ROWS), CHUNK_ROWS):
        yield format_csv((mask_id(user_id or "", with_personal=with_ids), *row) for user_id, *row in block)
