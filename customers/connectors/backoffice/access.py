"""Who may see and change connectors."""

from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from config.foundation.backoffice.permissions import check_permissions
from customers.connectors.models import ShopConnection

VIEW, CHANGE = "connectors.view_shopconnection", "connectors.change_shopconnection"


def require_view(request: HttpRequest) -> None:
    check_permissions(request, VIEW)


def require_change(request: HttpRequest) -> None:
    check_permissions(request, CHANGE)


def find_shop(shop_id: int) -> ShopConnection:
    return get_object_or_404(ShopConnection.objects.select_related("source"), pk=shop_id)
