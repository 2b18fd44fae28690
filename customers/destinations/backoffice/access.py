"""Who may see and change destinations."""

from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from config.foundation.backoffice.permissions import check_permissions
from customers.destinations.models import Destination

VIEW, CHANGE = "destinations.view_destination", "destinations.change_destination"


def require_view(request: HttpRequest) -> None:
    check_permissions(request, VIEW)


def require_change(request: HttpRequest) -> None:
    check_permissions(request, CHANGE)


def find_destination(destination_id: int) -> Destination:
    return get_object_or_404(Destination, pk=destination_id)
