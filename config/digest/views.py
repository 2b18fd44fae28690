"""The page behind the link that ends a subscription. Only the button on it does so, because mail programs open links automatically."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from config.digest.subscribing import InvalidUnsubscribeLinkError, read_token, unsubscribe
from config.foundation.shop.profile import get_shop

MAX_TOKEN = 300


@csrf_exempt  # mail programs post without a page (RFC 8058); the signed link is the proof
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def show_unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Ask, or end the subscription."""
    try:
        user_id = read_token(token[:MAX_TOKEN])
        state = "asked"
        if request.method == "POST":
            unsubscribe(user_id=user_id)
            state = "ended"
    except InvalidUnsubscribeLinkError:
        state = "invalid"
    context = {"state": state, "shop_name": get_shop().name}
    response = render(request, "digest/unsubscribe.html", context, status=410 if state == "invalid" else 200)
    response["Referrer-Policy"] = "no-referrer"
    return response
