"""Permissions of the pages, and what the reader may see."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

VIEW = "analytics.view_analyticsresult"
ADD_REPORT, CHANGE_REPORT, DELETE_REPORT = (f"analytics.{action}_savedreport" for action in ("add", "change", "delete"))
ADD_DASHBOARD, CHANGE_DASHBOARD, DELETE_DASHBOARD = (
    f"analytics.{action}_dashboard" for action in ("add", "change", "delete")
)
ADD_ANNOTATION, DELETE_ANNOTATION = "analytics.add_annotation", "analytics.delete_annotation"
VIEW_CUSTOMERS = "lifecycle.view_customerprofile"
ADD_SEGMENT = "segments.add_segment"


def check_permissions(request: HttpRequest, *permissions: str) -> None:
    """Raise PermissionDenied unless the user may view the pages and has all permissions."""
    if not request.user.has_perms([VIEW, *permissions]):
        raise PermissionDenied
