"""Who may read and work privacy requests."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

VIEW = "privacy.view_privacyrequest"
CHANGE = "privacy.change_privacyrequest"
CHANGE_SETTINGS = "privacy.change_privacysettings"


def check_permission(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied
