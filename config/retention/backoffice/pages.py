"""The page of retention: how long each kind of data is kept, and what a shorter time would delete."""

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from config.foundation.audit_log import record_action
from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.number_formats import format_count, format_moment
from config.foundation.retention.kinds import RetentionPreview
from config.retention.backoffice.forms import PeriodForm, PeriodRow, add_previews, describe_days, read_form, save_form
from config.retention.models import RetentionSetting

PERMISSION = "retention.change_retentionsetting"


def show_periods(request: HttpRequest) -> HttpResponse:
    """Show the periods; a POST previews changes, and saves them once they are confirmed."""
    check_permissions(request, PERMISSION)
    if request.method != "POST":
        return render_form(request, read_form())
    form = read_form(request.POST)
    if not form.is_valid:
        return render_form(request, form, status=422)
    if not form.changed:
        messages.info(request, _("Nothing was changed."))
        return HttpResponseRedirect(reverse("retention:periods"))
    add_previews(form.changed, now=timezone.now())
    if not form.is_valid:
        return render_form(request, form, status=422)
    is_confirmed = form.is_confirmed(request.POST.get("confirmed_rows", ""))
    if request.POST.get("action") != "save" or not is_confirmed:
        return render_form(request, form, is_preview=True, is_refused=request.POST.get("action") == "save")
    with transaction.atomic():
        record_action("retention.changed", model=RetentionSetting, details={"days": save_form(form)})
    messages.success(request, _("The retention was saved. The nightly job “Delete old data” applies it."))
    return HttpResponseRedirect(reverse("retention:periods"))


def render_form(
    request: HttpRequest,
    form: PeriodForm,
    *,
    is_preview: bool = False,
    is_refused: bool = False,
    status: int | None = None,
) -> HttpResponse:
    return render_page(
        request,
        "retention/periods.html",
        title=_("Data retention"),
        rows=form.rows,
        is_preview=is_preview,
        is_refused=is_refused,
        changes=[describe_change(row) for row in form.changed] if is_preview else [],
        deleted=format_count(form.deleted_rows),
        deletes=form.deleted_rows > 0,
        dropped=form.dropped,
        needs_number=form.needs_number,
        status=422 if is_refused else status,
    )


def describe_change(row: PeriodRow) -> dict[str, Any]:
    """Return one line of the preview."""
    preview = row.preview
    return {
        "label": row.kind.label,
        "before": describe_days(row.saved),
        "after": describe_days(row.days),
        "rows": describe_rows(preview) if preview else "0",
        "oldest": format_moment(preview.oldest) if preview and preview.oldest else "",
    }


def describe_rows(preview: RetentionPreview) -> str:
    rows = format_count(preview.rows)
    return _("more than %(rows)s") % {"rows": rows} if preview.is_at_least else rows
