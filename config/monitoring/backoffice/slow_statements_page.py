"""The page of the slowest statements of the database."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from config.foundation.backoffice.pages import render_page
from config.foundation.backoffice.permissions import check_permissions
from config.foundation.number_formats import format_count
from config.foundation.valkey import ValkeyDownError
from config.monitoring.alarms.notifications import PERMISSION
from config.monitoring.slow_statements import SlowStatement, list_slowest_statements

MAX_ROWS = 50


@require_safe
def show_slow_statements(request: HttpRequest) -> HttpResponse:
    """Show the statements that took the most time in total."""
    check_permissions(request, PERMISSION)
    statements: list[SlowStatement] = []
    counts_all, is_down = False, False
    try:
        statements, counts_all = list_slowest_statements(limit=MAX_ROWS)
    except ValkeyDownError:
        is_down = True
    return render_page(
        request,
        "admin/monitoring/slow_statements.html",
        title=_("Slow statements"),
        verdict=describe_statements(statements, counts_all=counts_all, is_down=is_down),
        as_of=timezone.now(),
        rows=[
            {
                "statement": row.statement,
                "calls": format_count(row.calls),
                "total": f"{row.total:,.1f} s",
                "mean": f"{row.mean:,.2f} s",
                "longest": f"{row.longest:,.2f} s",
            }
            for row in statements
        ],
    )


def describe_statements(statements: list[SlowStatement], *, counts_all: bool, is_down: bool) -> str:
    """Return what the page shows in one sentence."""
    if is_down:
        return _("The counts are in Valkey, which is not responding.")
    if counts_all:
        return _("PostgreSQL counts all statements (pg_stat_statements); those with the longest total time come first.")
    if not statements:
        return _("No statement took longer than %(seconds)s s in the last seven days.") % {
            "seconds": f"{settings.SLOW_QUERY_SECONDS:g}"
        }
    return _("Statements that took longer than %(seconds)s s in the last seven days, without their values.") % {
        "seconds": f"{settings.SLOW_QUERY_SECONDS:g}"
    }
