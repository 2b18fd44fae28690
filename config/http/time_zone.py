"""Shows times in the shop's time zone, which the back office sets."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from config.foundation.shop.profile import get_time_zone


class ShopTimeZoneMiddleware:
    """Make the shop's time zone the current one while a request is answered."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with timezone.override(get_time_zone()):
            return self.get_response(request)
