"""The list of imports, and the kinds of data that a user can import."""

from typing import Any

from django.contrib.admin.views.decorators import staff_member_required
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.tables import Cell, Column, build_table
from config.foundation.number_formats import NO_VALUE, format_count, format_moment
from customers.imports import runs
from customers.imports.backoffice.access import may_import, require_view
from customers.imports.kinds.registry import KINDS
from customers.imports.models import ImportRun, ImportState

COLUMNS = (
    Column(key="file", label=gettext_lazy("File"), sort="file_name", align="text"),
    Column(key="kind", label=gettext_lazy("Data"), sort="kind", align="text"),
    Column(key="source", label=gettext_lazy("Source"), sort="source", align="text"),
    Column(key="state", label=gettext_lazy("State"), sort="state", align="text"),
    Column(key="created", label=gettext_lazy("New"), sort="created"),
    Column(key="updated", label=gettext_lazy("Updated"), sort="updated"),
    Column(key="rejected", label=gettext_lazy("Rejected rows"), sort="rejected"),
    Column(key="at", label=gettext_lazy("Uploaded"), sort="created_at"),
)

IMPORTED = (ImportState.IMPORTED, ImportState.UNDOING, ImportState.UNDONE)


@staff_member_required
def show_imports(request: HttpRequest) -> HttpResponse:
    """Show the imports, the latest first."""
    require_view(request)
    kinds = [(kind, reverse("imports:new", args=[kind.key])) for kind in KINDS.values() if may_import(request, kind)]
    table = build_table(
        request,
        ImportRun.objects.filter(kind__in=KINDS).defer("mapping", "columns", "options", "problems"),
        id="imports",
        label=_("Imports"),
        columns=COLUMNS,
        format_row=format_row,
        default_sort="-at",
    )
    return render_page(request, "admin/imports/list.html", title=_("Imports"), kinds=kinds, table=table)


def format_row(run: ImportRun) -> dict[str, Any]:
    return {
        "file": Cell(run.file_name, reverse("imports:run", args=[run.pk])),
        "kind": KINDS[run.kind].label,
        "source": run.source,
        "state": _("Canceling") if runs.is_being_cancelled(run) else run.get_state_display(),
        "created": format_result(run, run.created),
        "updated": format_result(run, run.updated),
        "rejected": format_result(run, run.rejected),
        "at": format_moment(run.created_at),
    }


def format_result(run: ImportRun, number: int) -> str:
    """Return a count of an import; before the import it is only that of the check, which has changed nothing."""
    return format_count(number) if run.state in IMPORTED else NO_VALUE
