"""The page of the records: what is recorded, what is missing, filling in what Perennial knows, and the files."""

from dataclasses import dataclass

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from config.foundation.audit_log import record_export
from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.csv_cells import mark_encoding
from config.foundation.number_formats import format_count, format_moment
from config.foundation.shop.profile import get_shop
from customers.policy.models import ProcessingActivity
from customers.policy.records.breaches import describe_clock, list_open_breaches
from customers.policy.records.defaults import fill_records, list_unreviewed
from customers.policy.records.exports import KINDS, RecordKind, build_rows, export_csv, get_labels

VIEW, ADD = "policy.view_processingactivity", "policy.add_processingactivity"
LISTS = {"activities": "processingactivity", "assessments": "processingactivity", "recipients": "datarecipient"}
LISTS |= {"transfers": "transfer", "breaches": "breach"}


@dataclass(frozen=True)
class RecordLine:
    """One kind of record on the page."""

    kind: RecordKind
    count: str
    note: str
    url: str


def show_records(request: HttpRequest) -> HttpResponse:
    """Show the kinds of records; a POST adds what Perennial knows and the records lack."""
    check_permissions(request, VIEW)
    if request.method == "POST":
        check_permissions(request, ADD)
        added = fill_records()
        text = ngettext(
            "%(count)s entry was added. Read it and complete it.",
            "%(count)s entries were added. Read and complete them.",
            added,
        )
        messages.success(request, text % {"count": format_count(added)} if added else _("Nothing was missing."))
        return HttpResponseRedirect(reverse("privacy_settings:records"))
    now = timezone.now()
    return render_page(
        request,
        "admin/policy/records.html",
        title=_("Records"),
        lines=[describe_kind(kind) for kind in KINDS.values()],
        breaches=[
            {
                "title": breach.title,
                "clock": describe_clock(breach, now=now),
                "url": reverse("admin:policy_breach_change", args=[breach.pk]),
            }
            for breach in list_open_breaches()
        ],
        can_fill=request.user.has_perm(ADD),
        is_empty=not ProcessingActivity.objects.exists(),
        languages=settings.LANGUAGES,
    )


def describe_kind(kind: RecordKind) -> RecordLine:
    count = kind.rows().count()
    note = ""
    if kind.key == "assessments":
        open_ones = len(list(list_unreviewed(today=timezone.localdate())))
        note = (
            ngettext(
                "%(count)s without a risk rating in the past year",
                "%(count)s without a risk rating in the past year",
                open_ones,
            )
            % {"count": format_count(open_ones)}
            if open_ones
            else ""
        )
    return RecordLine(kind, format_count(count), note, reverse(f"admin:policy_{LISTS[kind.key]}_changelist"))


def get_kind(request: HttpRequest, key: str) -> RecordKind:
    check_permissions(request, VIEW)
    kind = KINDS.get(key)
    if kind is None:
        raise Http404(_("There is no such record."))
    return kind


def download_csv(request: HttpRequest, kind: str) -> HttpResponse:
    """Return the records of a kind as a CSV file."""
    record = get_kind(request, kind)
    record_export(model=record.rows().model, count=record.rows().count(), details={"record": record.key})
    response = HttpResponse(mark_encoding([export_csv(record)]), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{record.key}.csv"'
    return response


def show_printable(request: HttpRequest, kind: str) -> HttpResponse:
    """Show the records of a kind as a page to print."""
    record = get_kind(request, kind)
    labels = get_labels(record)
    context = {
        "kind": record,
        "records": [list(zip(labels, row, strict=True)) for row in build_rows(record)],
        "shop_name": get_shop().name,
        "printed_at": format_moment(timezone.now()),
    }
    return render(request, "policy/records.html", context)
