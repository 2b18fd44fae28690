"""The address that SMS providers push reports and replies to; it contains a token, because they sign nothing."""

from typing import Any

import msgspec
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from config.foundation.http.client_address import get_client_address
from config.foundation.json_nesting import NestingError, require_shallow_json
from config.foundation.rate_limiter import count_locally
from recommendations.sending.models import ChannelAccount
from recommendations.sending.sms.pushes import READERS, PushError, read_push
from recommendations.sending.sms.replies import record_replies
from recommendations.sending.sms.reports import record_reports
from recommendations.sending.tracking.tokens import InvalidTokenError, make_token, read_token

MAX_BODY = 2 * 1024 * 1024
MAX_DEPTH = 10
PER_ADDRESS = 3_000  # requests a minute
TOKEN_PURPOSE = b"s"


def build_push_url(account: ChannelAccount) -> str:
    """Return the address for the provider's console; an account that is removed and created again gets a different one."""
    token = make_token(TOKEN_PURPOSE, account.pk, account.provider)
    return f"{settings.PUBLIC_URL}{reverse('sms_pushes:receive', args=[account.provider, token])}"


@csrf_exempt  # the token in the address is the secret
@never_cache
@require_POST
def receive_push(request: HttpRequest, provider: str, token: str) -> JsonResponse:
    """Record reports and replies. 503 asks the provider to repeat a report about a message that is not known yet."""
    length = request.headers.get("Content-Length") or "0"
    if not length.isdecimal() or int(length) > MAX_BODY:
        return answer(413, "The body is too large.")
    if wait := count_locally(f"sms-push:{get_client_address(request.META)}", max_requests=PER_ADDRESS):
        response = answer(429, "Too many requests.")
        response["Retry-After"] = str(wait)
        return response
    if not is_known(provider, token):
        return answer(404, "There is no such address. Copy it again from Settings › Sending › Channels.")
    now = timezone.now()
    try:
        require_shallow_json(request.body, MAX_DEPTH)
        push = read_push(provider, msgspec.json.decode(request.body), now=now)
    except (PushError, NestingError, msgspec.DecodeError, UnicodeDecodeError) as error:
        return answer(400, str(error))
    with transaction.atomic():
        record_replies(push.replies, provider=provider)
        unknown = record_reports(push.reports, now=now)
    return answer(503, f"{unknown} messages are not known yet.") if unknown else answer(200, "OK")


def is_known(provider: str, token: str) -> bool:
    try:
        account_id, token_provider = read_token(TOKEN_PURPOSE, token)
    except InvalidTokenError:
        return False
    accounts = ChannelAccount.objects.filter(pk=account_id, provider=provider)
    return provider in READERS and token_provider == provider and accounts.exists()


def answer(status: int, message: str) -> JsonResponse:
    """Return an answer with the fields of both providers: result and errmsg of Tencent Cloud, code and msg of Aliyun."""
    number = 0 if status == 200 else status
    body: dict[str, Any] = {"result": number, "errmsg": message, "code": number, "msg": message}
    return JsonResponse(body, status=status)
