"""The back office's pages and answers about segments: the count while one is built, and the list of members."""

import json
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

from config.foundation.csv_cells import csv_lines
from customers.identity.models import Customer
from customers.segments.conditions.catalog_names import suggest_names
from customers.segments.conditions.parsing import ConditionError
from customers.segments.membership import listed, members, preview, with_user_id
from customers.segments.models import Segment

PAGE = 100
CHUNK = 5000
COLUMNS = ("stage", "rfm_group", "r", "f", "m", "orders", "revenue", "last_order_at")
PERSONAL = ("name", "email", "phone")
MAY_SEE_PERSONAL = "identity.view_personal"


def preview_condition(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    """The number of customers for the tree in the body, or why it cannot work and where."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    return answer_preview(request)


@require_POST
def answer_preview(request: HttpRequest) -> JsonResponse:
    try:
        body = json.loads(request.body)
        condition, key = body["condition"], str(body.get("key", ""))
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        problem = {"path": "$", "code": "json", "message": _('Send {"condition": …, "key": …} as JSON.')}
        return JsonResponse({"problems": [problem]}, status=400)
    try:
        found = preview(condition=condition, key=key, sample=0, as_of=timezone.now())
    except ConditionError as error:
        return JsonResponse({"problems": [vars(problem) for problem in error.problems]}, status=400)
    return JsonResponse({"count": found.count, "duration_ms": round(found.duration_ms, 1), "as_of": found.as_of})


def tree_from_address(text: str) -> Any:
    """The tree of a link; what is no JSON is shown as it came, and refused by the form."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def suggest(request: HttpRequest, *, model_admin: ModelAdmin) -> HttpResponse:
    """Names that hold what was typed, for products, categories, brands, segments, countries and languages."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    return answer_suggestions(request)


@require_GET
def answer_suggestions(request: HttpRequest) -> JsonResponse:
    names = suggest_names(field=request.GET.get("field", ""), text=request.GET.get("q", "")[:100])
    return JsonResponse({"names": names})


def members_page(request: HttpRequest, *, model_admin: ModelAdmin, segment_id: int) -> HttpResponse:
    """Who is in the segment now, a hundred at a time behind ``?after=``."""
    segment = visible_segment(request, model_admin, segment_id)
    as_of = timezone.now()
    after = request.GET.get("after", "")
    context: dict[str, Any] = {"rows": [], "count": None, "problem": "", "next": None, "after": after}
    try:
        found = members(segment=segment, as_of=as_of)
        rows = page_of(listed(found), int(after) if after.isdecimal() and len(after) < 19 else 0)
        count = found.count()
        context |= {
            "rows": rows[:PAGE],
            "count": count,
            "shown_count": number_format(count, force_grouping=True),
            "next": rows[PAGE - 1].pk if len(rows) > PAGE else None,
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
            "as_of": as_of,
            "with_personal": request.user.has_perm(MAY_SEE_PERSONAL),
            **context,
        },
    )


def visible_segment(request: HttpRequest, model_admin: ModelAdmin, segment_id: int) -> Segment:
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    return get_object_or_404(Segment, pk=segment_id)


def page_of(customers: QuerySet[Customer], after: int) -> list[Customer]:
    return list(customers.filter(pk__gt=after).order_by("pk")[: PAGE + 1])


def members_csv(request: HttpRequest, *, model_admin: ModelAdmin, segment_id: int) -> HttpResponseBase:
    """All members; names, e-mail addresses and phone numbers only on request of somebody who may see them."""
    segment = visible_segment(request, model_admin, segment_id)
    with_personal = "personal" in request.GET
    if with_personal and not request.user.has_perm(MAY_SEE_PERSONAL):
        raise PermissionDenied
    try:
        customers = with_user_id(members(segment=segment, as_of=timezone.now())).order_by("pk")
    except ConditionError as error:
        return HttpResponse(str(error), status=409, content_type="text/plain; charset=utf-8")
    response = StreamingHttpResponse(csv_blocks(customers, with_personal), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="segment-{segment.key}.csv"'
    return response


def csv_blocks(customers: QuerySet[Customer], with_personal: bool) -> Iterator[str]:
    """A block of lines at a time; personal fields are decrypted only where they are asked for."""
    personal = PERSONAL if with_personal else ()
    yield csv_lines([("user_id", *COLUMNS, *personal)])
    rows = customers.values_list("user_id", *(f"profile__{column}" for column in COLUMNS), *personal)
    for block in batched(rows.iterator(chunk_size=CHUNK), CHUNK):
        yield csv_lines(block)
