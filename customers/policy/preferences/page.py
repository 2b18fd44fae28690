"""The preference center: a public page behind a signed link, on which giving and withdrawing consent take the same two clicks."""

from collections.abc import Mapping

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from config.foundation.http.client_address import get_client_address
from config.foundation.rate_limiter import count_locally
from config.foundation.shop.profile import get_shop
from customers.identity.consent.proofs import ConsentProof, hash_address
from customers.identity.models import Customer
from customers.policy.preferences.choices import list_choices, save_choices, withdraw_everything
from customers.policy.preferences.links import (
    InvalidPreferencesLinkError,
    find_token_customer,
    read_token,
    shorten_token,
)
from customers.policy.preferences.wordings import WORDING_VERSION

REQUESTS_PER_MINUTE = 120


@csrf_exempt  # the signed link is the authorization, and a form on another site cannot know it
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def show_preferences(request: HttpRequest, token: str) -> HttpResponse:
    """Show and save what the customer of the link allows."""
    wait = count_locally(f"preferences:{get_client_address(request.META)}", max_requests=REQUESTS_PER_MINUTE)
    if wait:
        return HttpResponse(_("Too many requests."), status=429, headers={"Retry-After": str(wait)})
    try:
        content = read_token(token)
    except InvalidPreferencesLinkError:
        return render_public(request, "policy/preferences.html", {"state": "invalid"}, status=404)
    customer = find_token_customer(content)
    activate_language(request, content.language or (customer.language if customer else ""))
    reference = content.origin or f"link {shorten_token(token)}"
    return answer_preferences(request, customer, kind="page", reference=reference)


def answer_preferences(request: HttpRequest, customer: Customer | None, *, kind: str, reference: str) -> HttpResponse:
    """Show the page for a customer whom the caller has identified; a POST saves the choices first.

    kind, reference: of the proof, such as "message" and the number of the delivery.
    """
    if customer is None:
        return render_public(request, "policy/preferences.html", {"state": "gone"}, status=410)
    changed = None
    if request.method == "POST":
        wording = f"{WORDING_VERSION} {translation.get_language()}"
        proof = ConsentProof(kind, reference, wording, hash_address(get_client_address(request.META)))
        if request.POST.get("action") == "none":
            changed = withdraw_everything(customer, at=timezone.now(), proof=proof)
        else:
            shown = request.POST["shown"].split() if "shown" in request.POST else None
            changed = save_choices(customer, request.POST.keys(), at=timezone.now(), proof=proof, shown_ticked=shown)
    context = {"state": "asked", "groups": list_choices(customer), "changed": changed, "languages": list_languages()}
    return render_public(request, "policy/preferences.html", context)


def activate_language(request: HttpRequest, preferred: str) -> None:
    """Use the language that the reader has chosen, else that of the link, else that of the browser."""
    wanted = [request.GET.get("lang", ""), preferred]
    for code in wanted:
        name = match_language(code)
        if name:
            translation.activate(name)
            request.LANGUAGE_CODE = name
            return


def match_language(code: str) -> str:
    """Return the supported language for a code such as zh-CN or en-GB; "" for any other."""
    lowered = code.lower().replace("_", "-")
    if lowered.split("-")[0] == "zh":
        return "zh-hans"
    return next((name for name, _label in settings.LANGUAGES if name == lowered.split("-")[0]), "")


def list_languages() -> list[dict[str, str]]:
    """Return the languages in which the page can be read."""
    current = translation.get_language()
    return [
        {"code": code, "label": str(translation.get_language_info(code)["name_local"])}
        for code, _label in settings.LANGUAGES
        if code != current
    ]


def render_public(
    request: HttpRequest, template: str, context: Mapping[str, object], *, status: int = 200
) -> HttpResponse:
    """Render a public page of the shop."""
    values = {
        "shop_name": get_shop().name,
        "policy_url": f"{reverse('policy:show')}?lang={translation.get_language()}",
        **context,
    }
    response = render(request, template, values, status=status)
    response["Referrer-Policy"] = "no-referrer"
    return response
