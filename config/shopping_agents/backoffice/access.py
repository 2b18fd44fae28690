"""Who may see and change what shopping agents get."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

VIEW = "shopping_agents.view_agentfeedsettings"
CHANGE = "shopping_agents.change_agentfeedsettings"


def require(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied
