"""The page of one segment: its size over time, who entered and left, and its overlap with another segment."""

from datetime import date, timedelta
from typing import Any

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.tables import Cell, Column, Table, build_table
from config.foundation.charts import build_line_chart
from config.foundation.number_formats import format_full_day
from customers.identity.personal_data.masking import mask_id, may_see_personal
from customers.segments.conditions.condition_tree import ConditionError
from customers.segments.history import count_overlap, list_days, query_entries, query_exits
from customers.segments.membership import query_members
from customers.segments.models import Segment, SegmentDay, SegmentStay

HISTORY_DAYS = 365
SUMMARY_DAYS = 28
PAGE_SIZE = 10


def show_segment(request: HttpRequest, *, model_admin: ModelAdmin, segment_id: int) -> HttpResponse:
    """Show one segment. ``?other=`` is the ID of the segment to compare it with."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    segment = get_object_or_404(Segment, pk=segment_id)
    today = timezone.localdate()
    days = list_days(segment=segment, since=today - timedelta(days=HISTORY_DAYS), until=today)
    recent = [day for day in days if day.day > today - timedelta(days=SUMMARY_DAYS)]
    entered, left = sum(day.entered for day in recent), sum(day.left for day in recent)
    return render_page(
        request,
        "admin/segments/segment.html",
        title=segment.name,
        verdict=build_verdict(segment, entered, left, recorded_since=days[0].day if days else None),
        as_of=segment.last_evaluated_at,
        segment=segment,
        entered=entered,
        left=left,
        days=days,
        chart=build_size_chart(days) if len(days) > 1 else None,
        history=build_history_table(request, days),
        entries=build_stay_table(request, segment, is_entry=True),
        exits=build_stay_table(request, segment, is_entry=False),
        campaign_url=build_campaign_url(request, segment),
        **build_overlap(request, segment),
    )


def build_verdict(segment: Segment, entered: int, left: int, *, recorded_since: date | None) -> str:
    """Return one sentence on the size of the segment and how it changes.

    recorded_since: the first day of the history; None without one.
    """
    if segment.error:
        return _("This segment cannot be counted: %(reason)s") % {"reason": segment.error}
    if segment.size is None:
        return _("This segment has not been counted yet.")
    size = ngettext("%(count)s customer", "%(count)s customers", segment.size) % {
        "count": number_format(segment.size, force_grouping=True)
    }
    if recorded_since is None:
        return _("%(size)s. The history starts with the next count, within ten minutes.") % {"size": size}
    values = {
        "size": size,
        "days": SUMMARY_DAYS,
        "day": format_full_day(recorded_since),
        "entered": number_format(entered, force_grouping=True),
        "left": number_format(left, force_grouping=True),
    }
    if recorded_since > timezone.localdate() - timedelta(days=SUMMARY_DAYS - 1):
        return _("%(size)s; since %(day)s, %(entered)s entered and %(left)s left.") % values
    return _("%(size)s; in the last %(days)d days %(entered)s entered and %(left)s left.") % values


def build_size_chart(days: list[SegmentDay]) -> Any:
    return build_line_chart(
        days=[day.day.isoformat() for day in days], values=[day.size for day in days], name=_("Customers")
    )


def build_history_table(request: HttpRequest, days: list[SegmentDay]) -> Table:
    columns = [
        Column(key="day", label=gettext_lazy("Day"), sort="day", align="text"),
        Column(key="size", label=gettext_lazy("Size"), sort="size"),
        Column(key="entered", label=gettext_lazy("Entered"), sort="entered"),
        Column(key="left", label=gettext_lazy("Left"), sort="left"),
    ]
    return build_table(
        request,
        days,
        id="days",
        label=gettext_lazy("Size by day"),
        columns=columns,
        format_row=lambda day: {
            "day": date_format(day.day),
            **{name: number_format(getattr(day, name), force_grouping=True) for name in ("size", "entered", "left")},
        },
        default_sort="-day",
        page_size=PAGE_SIZE,
    )


def build_stay_table(request: HttpRequest, segment: Segment, *, is_entry: bool) -> Table:
    """Return the customers who were seen to enter or to leave."""
    moment, label = (
        ("entered_at", gettext_lazy("Entered")) if is_entry else ("left_at", gettext_lazy("Left the segment"))
    )
    with_personal = may_see_personal(request)

    def format_stay(stay: SegmentStay) -> dict[str, Any]:
        name = mask_id(stay.user_id or "", with_personal=with_personal, mask="") or f"#{stay.customer_id}"  # type: ignore[attr-defined]
        at = timezone.localtime(getattr(stay, moment))
        return {
            "customer": Cell(name, url=reverse("admin:lifecycle_customer", args=[stay.customer_id])),
            "at": date_format(at, "SHORT_DATETIME_FORMAT"),
        }

    return build_table(
        request,
        query_entries(segment) if is_entry else query_exits(segment),
        id="entries" if is_entry else "exits",
        label=label,
        columns=[
            Column(key="customer", label=gettext_lazy("Customer"), align="text"),
            Column(key="at", label=gettext_lazy("Time")),
        ],
        format_row=format_stay,
        page_size=PAGE_SIZE,
    )


def build_campaign_url(request: HttpRequest, segment: Segment) -> str:
    """Return the address of a new campaign for the segment; empty for users who may not create one."""
    if not request.user.has_perm("campaigns.add_campaign"):
        return ""
    try:
        return f"{reverse('admin:campaigns_campaign_add')}?segment={segment.pk}"
    except NoReverseMatch:
        return ""


def build_overlap(request: HttpRequest, segment: Segment) -> dict[str, Any]:
    """Return the other segments, the chosen one, and how many customers both share."""
    others = Segment.objects.exclude(pk=segment.pk).order_by("name")
    number = request.GET.get("other", "")
    other = others.filter(pk=int(number)).first() if number.isdecimal() and len(number) < 19 else None
    context: dict[str, Any] = {"others": others, "other": other, "overlap": None, "overlap_problem": ""}
    if other is None:
        return context
    as_of = timezone.now()
    try:
        members, other_members = (query_members(segment=each, as_of=as_of) for each in (segment, other))
        return {**context, "overlap": count_overlap(members, other_members)}
    except ConditionError as error:
        return {**context, "overlap_problem": str(error)}
