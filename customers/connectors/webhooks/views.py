"""The public address that platforms send webhooks to."""

import logging

import msgspec
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from config.foundation.http.client_address import get_client_address
from config.foundation.rate_limiter import count_locally
from customers.connectors.models import ShopConnection
from customers.connectors.webhooks.receiving import WrongSignatureError, receive

logger = logging.getLogger(__name__)
MAX_BODY = 2 * 1024 * 1024
PER_SHOP, PER_ADDRESS = 30_000, 3_000  # requests per minute, by webhook address and by client address
PING_PREFIX = b"webhook_id="  # WooCommerce sends this unsigned when a webhook is created


@csrf_exempt  # signed with a secret that only the platform has
@never_cache
@require_POST
def receive_webhook(request: HttpRequest, token: str) -> HttpResponse:
    """Answer 200 for a webhook that is stored, 401 for a wrong signature, 400 for a body that is not valid."""
    length = request.headers.get("Content-Length") or "0"
    if not length.isdecimal() or int(length) > MAX_BODY:
        return HttpResponse("The body is too large.", status=413)
    wait = count_locally(f"connector-hook:{get_client_address(request.META)}", max_requests=PER_ADDRESS)
    wait = wait or count_locally(f"connector-hook:{token[:64]}", max_requests=PER_SHOP)
    if wait:
        return HttpResponse("Too many requests.", status=429, headers={"Retry-After": str(wait)})
    connection = ShopConnection.objects.select_related("source").filter(webhook_token=token).first()
    if connection is None:
        return HttpResponse("There is no such address.", status=404)
    body = request.body
    if body.startswith(PING_PREFIX) and len(body) < 100:
        return HttpResponse(status=200)
    if not connection.is_enabled:
        return HttpResponse("The connector is disabled.", status=410)
    try:
        outcome = receive(connection, request.headers, body)
    except WrongSignatureError:
        return HttpResponse("The signature is wrong.", status=401)
    except (ValueError, msgspec.DecodeError):
        return HttpResponse("The body is not valid.", status=400)
    ShopConnection.objects.filter(pk=connection.pk).update(last_delivery_at=timezone.now())
    return HttpResponse(outcome, content_type="text/plain")
