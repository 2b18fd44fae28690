"""Who may see and change connectors."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from customers.connectors.models import ShopConnection

VIEW, CHANGE = "connectors.view_shopconnection", "connectors.change_shopconnection"


def require_view(request: HttpRequest) -> None:
    if not request.user.has_perm(VIEW):
        raise PermissionDenied


def require_change(request: HttpRequest) -> None:
    if not request.user.has_perm(CHANGE):
        raise PermissionDenied


def find_shop(shop_id: int) -> ShopConnection:
    return get_object_or_404(ShopConnection.objects.select_related("source"), pk=shop_id)
