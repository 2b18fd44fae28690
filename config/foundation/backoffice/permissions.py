"""The check with which pages of the back office begin."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest


def check_permissions(request: HttpRequest, *permissions: str) -> None:
    """Raise PermissionDenied unless the user has all permissions."""
    if not request.user.has_perms(permissions):
        raise PermissionDenied
