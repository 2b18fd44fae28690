"""Who may see and change destinations."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from customers.destinations.models import Destination

VIEW, CHANGE = "destinations.view_destination", "destinations.change_destination"


def require_view(request: HttpRequest) -> None:
    if not request.user.has_perm(VIEW):
        raise PermissionDenied


def require_change(request: HttpRequest) -> None:
    if not request.user.has_perm(CHANGE):
        raise PermissionDenied


def find_destination(destination_id: int) -> Destination:
    return get_object_or_404(Destination, pk=destination_id)
