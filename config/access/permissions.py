"""Permissions of the REST API: the caller needs the scope that the view requires for the method."""

from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from config.access.grants import Grant


class HasScope(BasePermission):
    """Checks ``view.required_scopes`` (method → scope) and ``view.publishable``; a view with neither is closed."""

    def has_permission(self, request: Request, view: Any) -> bool:
        grant = request.auth
        if not isinstance(grant, Grant):
            return False
        method = request.method or ""
        if method == "OPTIONS" or not hasattr(view, method.lower()):
            return True  # harmless; and an unsupported method gets 405, not 403
        if grant.allows(view, method):
            return True
        if grant.publishable:
            raise PermissionDenied(_("A publishable key cannot use this endpoint. Use a secret key from a server."))
        scope = getattr(view, "required_scopes", {}).get("GET" if method == "HEAD" else method)
        raise PermissionDenied(
            _("This endpoint requires the scope %(scope)s.") % {"scope": scope}
            if scope
            else _("This endpoint does not accept %(method)s.") % {"method": method}
        )


class MayReadApiDocs(BasePermission):
    """Opens the OpenAPI document to secret keys and back-office users; publishable keys are in the source of every page of the shop."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if settings.PUBLIC_API_DOCS:
            return True
        grant = request.auth
        return isinstance(grant, Grant) and not grant.publishable
