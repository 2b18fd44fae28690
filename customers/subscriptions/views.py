"""The page behind the link of a confirmation mail. Only its button subscribes, because mail programs open links automatically."""

from contextlib import suppress

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import check_for_language, get_language, override
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from config.foundation.shop.profile import get_shop
from customers.subscriptions.requests import InvalidLinkError, read_token
from customers.subscriptions.subscribing import confirm_subscription, is_confirmed


# the signed link is the proof; as the page sends no referrer, browsers post `Origin: null`, which Django's check refuses
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def show_confirmation(request: HttpRequest, token: str) -> HttpResponse:
    """Show the button that confirms the sign-up, in the language of the form; on POST, confirm it."""
    now, state, language = timezone.now(), "invalid", get_language()
    with suppress(InvalidLinkError):
        sign_up = read_token(token, now=now)
        if check_for_language(sign_up.language):
            language = sign_up.language
        if request.method == "POST":
            confirm_subscription(token=token, now=now)
            state = "confirmed"
        else:
            state = "confirmed" if is_confirmed(sign_up) else "asked"
    with override(language):
        context = {"state": state, "shop_name": get_shop().name}
        response = render(request, "subscriptions/confirm.html", context, status=410 if state == "invalid" else 200)
    response["Referrer-Policy"] = "no-referrer"
    return response
