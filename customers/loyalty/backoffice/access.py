"""Who may see and change the loyalty program."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

VIEW = "loyalty.view_loyaltymember"
VIEW_LEDGER = "loyalty.view_pointentry"
VIEW_RULES = "loyalty.view_loyaltyprogram"
CHANGE_RULES = "loyalty.change_loyaltyprogram"
ADJUST = "loyalty.add_pointentry"


def require(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied
