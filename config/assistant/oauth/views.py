"""The consent page: which program asks, where it is, and what it may do; only members of the team can agree."""

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.http import HttpResponse
from oauth2_provider.scopes import get_scopes_backend
from oauth2_provider.views import AuthorizationView

from config.assistant.addresses import split_address
from config.assistant.oauth.scopes import PERSONAL, READ
from config.foundation.backoffice.pages import render_page


@dataclass(frozen=True)
class ScopeChoice:
    """A scope on the page: the person may leave it out, unless it is required. is_checked: initially."""

    scope: str
    text: str
    is_required: bool
    is_checked: bool


class ConsentView(AuthorizationView):
    """Asks a member of the team whether a program may act for them; everyone else has to log in first."""

    template_name = "admin/assistant/consent.html"

    def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        target = self.request.GET.get("redirect_uri") or self.request.POST.get("redirect_uri") or ""
        parts = split_address(target)
        values = {name: value for name, value in context.items() if name != "view"}
        values |= {
            "target": parts.netloc if parts else "",
            "problem": context.get("error"),
            "choices": [
                ScopeChoice(scope, text, is_required=scope == READ, is_checked=scope != PERSONAL)
                for scope, text in get_scopes_backend().get_all_scopes().items()
                if scope in context.get("scopes", ())
            ],
        }
        response = render_page(
            self.request, self.template_name, title=admin.site.site_title, status=kwargs.get("status"), **values
        )
        # after the form, browsers only follow the redirect to the program if the policy names it
        return allow_redirect(response, target)

    def form_valid(self, form: Any) -> HttpResponse:
        """Grant the requested scopes that the person chose; programs request all scopes that the server lists."""
        chosen = {READ, *self.request.POST.getlist("granted")}
        granted = [scope for scope in form.cleaned_data["scope"].split() if scope in chosen]
        form.cleaned_data["scope"] = " ".join(granted)
        form.cleaned_data["allow"] = form.cleaned_data["allow"] and bool(granted)
        return super().form_valid(form)


def allow_redirect(response: HttpResponse, target: str) -> HttpResponse:
    """Add the origin of the program to the places that the form of the page may lead to."""
    parts = split_address(target)
    if parts and parts.scheme in ("http", "https") and parts.netloc:
        response._csp_update = {"form-action": ["'self'", f"{parts.scheme}://{parts.netloc}"]}  # type: ignore[attr-defined]
    return response


def require_team(view: Any) -> Any:
    """Return the view for members of the team; others are sent to the log-in page."""
    return admin.site.admin_view(view)
