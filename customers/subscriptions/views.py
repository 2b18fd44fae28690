"""The page behind the link of a confirmation mail. Only its button subscribes, because mail programs open links automatically."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from config.foundation.shop.profile import get_shop
from customers.subscriptions.requests import InvalidLinkError, read_token
from customers.subscriptions.subscribing import confirm_subscription


# the signed link is the proof; as the page sends no referrer, browsers post `Origin: null`, which Django's check refuses
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def show_confirmation(request: HttpRequest, token: str) -> HttpResponse:
    """Show the button that confirms the sign-up; on POST, confirm it."""
    now = timezone.now()
    try:
        if request.method == "POST":
            confirm_subscription(token=token, now=now)
            state = "confirmed"
        else:
            read_token(token, now=now)
            state = "asked"
    except InvalidLinkError:
        state = "invalid"
    context = {"state": state, "shop_name": get_shop().name}
    response = render(request, "subscriptions/confirm.html", context, status=410 if state == "invalid" else 200)
    response["Referrer-Policy"] = "no-referrer"
    return response
