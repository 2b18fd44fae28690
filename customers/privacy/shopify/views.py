"""Receives the privacy webhooks of Shopify."""

import msgspec
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from customers.privacy.models import load_privacy_settings
from customers.privacy.shopify.webhooks import TOPICS, ShopifyPayload, is_signed, receive_payload

MAX_BODY = 256 * 1024


@csrf_exempt  # signed with a secret that only Shopify has
@never_cache
@require_POST
def receive_webhook(request: HttpRequest) -> HttpResponse:
    """Answer 200 for a request that is stored, 401 for a wrong signature, 400 for an unknown topic or an invalid body."""
    if int(request.headers.get("Content-Length") or 0) > MAX_BODY:
        return HttpResponse("The body is too large.", status=413)
    body = request.body
    signature = request.headers.get("X-Shopify-Hmac-Sha256", "")
    if not is_signed(body, signature=signature, secret=load_privacy_settings().shopify_secret):
        return HttpResponse("The signature is wrong.", status=401)
    topic = request.headers.get("X-Shopify-Topic", "")
    if topic not in TOPICS:
        return HttpResponse(f"Unknown topic; valid: {', '.join(TOPICS)}.", status=400)
    try:
        payload = msgspec.json.decode(body, type=ShopifyPayload)
    except msgspec.DecodeError as error:
        return HttpResponse(f"The body is not valid: {error}", status=400, content_type="text/plain; charset=utf-8")
    receive_payload(topic=topic, payload=payload, body=body, now=timezone.now())
    return HttpResponse(status=200)
