"""The suppression list in the back office: shows, adds, removes, imports and exports addresses that get no messages."""

import io
from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext_lazy
from django.views.decorators.http import require_POST, require_safe
from unfold.widgets import UnfoldAdminFileFieldWidget

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.tables import Cell, Column, build_table
from config.foundation.csv_cells import mark_encoding
from customers.identity.personal_data.masking import mask_hash, may_see_personal
from recommendations.sending.models import Suppression
from recommendations.sending.suppressions.suppression_list import (
    ImportResult,
    export_suppressions,
    import_suppressions,
    parse_address,
    suppress,
    undo_import,
)

VIEW, ADD, DELETE = (f"sending.{action}_suppression" for action in ("view", "add", "delete"))
MAX_FILE_MB = 50
COLUMNS = (
    Column(key="address", label=gettext_lazy("Keyed hash"), align="text"),
    Column(key="kind", label=gettext_lazy("Kind"), align="text"),
    Column(key="reason", label=pgettext_lazy("suppression", "Reason"), sort="reason", align="text"),
    Column(key="source", label=gettext_lazy("Source"), align="text"),
    Column(key="added_at", label=gettext_lazy("Added"), sort="added_at", align="text"),
)


class AddressForm(forms.Form):
    address = forms.CharField(label=gettext_lazy("Email address or phone number"), max_length=254)

    def clean_address(self) -> str:
        value: str = self.cleaned_data["address"]
        if parse_address(value) is None:
            raise forms.ValidationError(
                _(
                    "“%(value)s” is neither an email address nor a phone number. Enter it like ann@example.com or +8613800138000."
                )
                % {"value": value}
            )
        return value


class SuppressionImportForm(forms.Form):
    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy("CSV or text, one address or number per line, at most 50 MB."),
        widget=UnfoldAdminFileFieldWidget(),  # a script of django-unfold writes the name of the chosen file into its text field
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > MAX_FILE_MB * 1024 * 1024:
            raise forms.ValidationError(_("The file is larger than 50 MB. Split it."))
        return file


@require_safe
@permission_required(VIEW, raise_exception=True)
def show_suppressions(request: HttpRequest) -> HttpResponse:
    """List the suppressions; a search compares the hash of the address."""
    return render_list(request)


def render_list(request: HttpRequest, *, status: int | None = None, **context: Any) -> HttpResponse:
    with_personal = may_see_personal(request)
    query = request.GET.get("q", "").strip()
    address = parse_address(query) if query else None
    rows = Suppression.objects.all()
    if query:
        rows = rows.filter(value_hash=address.value_hash if address else "")

    def format_row(row: Suppression) -> Mapping[str, Any]:
        return {
            "address": Cell(mask_hash(row.value_hash, with_personal=with_personal)),
            "kind": row.get_kind_display(),
            "reason": row.get_reason_display(),
            "source": row.source or "–",
            "added_at": row.added_at,
        }

    table = build_table(
        request,
        rows,
        id="suppressions",
        label=_("Suppressions"),
        columns=COLUMNS,
        format_row=format_row,
        default_sort="-added_at",
    )
    match = rows.first() if query else None
    imports = (
        Suppression.objects.filter(reason=Suppression.Reason.IMPORT).order_by("source").values_list("source", flat=True)
    )
    values = {
        "table": table,
        "query": query,
        "match": match,
        "add_form": AddressForm(),
        "import_form": SuppressionImportForm(),
        "imports": list(imports.distinct()[:20]),
        "can_add": request.user.has_perm(ADD),
        "can_delete": request.user.has_perm(DELETE),
    }
    return render_page(
        request, "admin/sending/suppressions.html", title=_("Suppressions"), status=status, **{**values, **context}
    )


@require_POST
@permission_required(ADD, raise_exception=True)
def add_suppression(request: HttpRequest) -> HttpResponse:
    form = AddressForm(request.POST)
    if not form.is_valid():
        return render_list(request, status=422, add_form=form)
    address = parse_address(form.cleaned_data["address"])
    assert address is not None
    source = request.user.get_username()
    new = suppress([address], reason=Suppression.Reason.MANUAL, source=source, at=timezone.now())
    messages.success(
        request,
        _("This address will not receive any more messages.") if new else _("The address was on the list already."),
    )
    return HttpResponseRedirect(reverse("suppressions:list"))


@require_POST
@permission_required(DELETE, raise_exception=True)
def remove_suppression(request: HttpRequest, suppression_id: int) -> HttpResponse:
    Suppression.objects.filter(pk=suppression_id).delete()
    messages.success(request, _("The address is no longer on the list. Messages still need the customer's consent."))
    return HttpResponseRedirect(reverse("suppressions:list"))


@require_POST
@permission_required(ADD, raise_exception=True)
def import_file(request: HttpRequest) -> HttpResponse:
    """Check a file, or import it."""
    form = SuppressionImportForm(request.POST, request.FILES)
    if not form.is_valid():
        return render_list(request, status=422, import_form=form)
    file = form.cleaned_data["file"]
    now = timezone.now()
    source = f"{file.name[-100:]} {now:%Y-%m-%d %H:%M:%S}"
    is_dry_run = request.POST.get("action") == "check"
    lines = io.TextIOWrapper(file, encoding="utf-8", errors="replace")
    result = import_suppressions(lines, source=source, at=now, is_dry_run=is_dry_run)
    if is_dry_run:
        return render_list(request, checked=result)
    report_import(request, result)
    return HttpResponseRedirect(reverse("suppressions:list"))


def report_import(request: HttpRequest, result: ImportResult) -> None:
    text = ngettext("%(new)d address was added.", "%(new)d addresses were added.", result.new) % {"new": result.new}
    messages.success(request, text)
    if result.problems:
        numbers = ", ".join(str(line) for line, _text in result.problems[:10])
        messages.warning(request, _("These lines have no address and were left out: %(lines)s.") % {"lines": numbers})


@require_POST
@permission_required(DELETE, raise_exception=True)
def undo_file(request: HttpRequest) -> HttpResponse:
    removed = undo_import(source=request.POST.get("source", ""))
    messages.success(
        request, ngettext("%(n)d address was removed.", "%(n)d addresses were removed.", removed) % {"n": removed}
    )
    return HttpResponseRedirect(reverse("suppressions:list"))


@require_safe
@permission_required(VIEW, raise_exception=True)
def download_suppressions(request: HttpRequest) -> HttpResponseBase:
    response = StreamingHttpResponse(mark_encoding(export_suppressions()), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="suppressions.csv"'
    return response
