"""Permissions of the pages, and what the reader may see."""

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from config.foundation.audit_log import record_access
from config.foundation.backoffice.permissions import check_permissions
from customers.analytics.expressions.parameters import ParameterError
from customers.analytics.models import SavedReport
from customers.identity.personal_data.masking import is_personal_id, may_see_personal

VIEW = "analytics.view_analyticsresult"
ADD_REPORT, CHANGE_REPORT, DELETE_REPORT = (f"analytics.{action}_savedreport" for action in ("add", "change", "delete"))
ADD_DASHBOARD, CHANGE_DASHBOARD, DELETE_DASHBOARD = (
    f"analytics.{action}_dashboard" for action in ("add", "change", "delete")
)
ADD_ANNOTATION, DELETE_ANNOTATION = "analytics.add_annotation", "analytics.delete_annotation"
VIEW_CUSTOMERS = "lifecycle.view_customerprofile"
ADD_SEGMENT = "segments.add_segment"


def check_analytics_permissions(request: HttpRequest, *permissions: str) -> None:
    """Raise PermissionDenied unless the user may view the pages and has all permissions."""
    check_permissions(request, VIEW, *permissions)


def check_report(request: HttpRequest, report: SavedReport) -> None:
    """Record in the audit log that a saved report shows a personal value that it asks for, such as an email address.

    Raises:
        ParameterError: the user may not see it.
    """
    if not contains_personal(report.parameters):
        return
    if may_see_personal(request):
        record_access(model=SavedReport, pks=[report.pk])
    else:
        raise ParameterError("report", _("it contains personal data that your role is not allowed to see."))


def contains_personal(content: Any) -> bool:
    """Return whether one of the texts is, or contains, an email address or a phone number."""
    if isinstance(content, dict):
        return any(contains_personal(value) for name, value in content.items() if name not in ("since", "until"))
    if isinstance(content, list | tuple):
        return any(map(contains_personal, content))
    return isinstance(content, str) and is_personal_id(content)
