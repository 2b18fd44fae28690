"""The permissions that the pages of flows check."""

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from config.foundation.backoffice.permissions import check_permissions
from recommendations.flows.models import Flow

VIEW = "flows.view_flow"
CHANGE = "flows.change_flow"
ADD = "flows.add_flow"
DELETE = "flows.delete_flow"
EXPORT_PEOPLE = "segments.export_customers"
VIEW_PEOPLE = "lifecycle.view_customerprofile"


def get_flow(request: HttpRequest, flow_id: int, *permissions: str) -> Flow:
    """Return a flow that the user may view. Errors: PermissionDenied if one of the permissions is missing."""
    check_flow_permissions(request, *permissions)
    return get_object_or_404(Flow, pk=flow_id)


def check_flow_permissions(request: HttpRequest, *permissions: str) -> None:
    check_permissions(request, VIEW, *permissions)


def get_user(request: HttpRequest) -> User | None:
    return User.objects.filter(pk=request.user.pk or 0).first()
