"""Calls of WeCom's API: the access token, kept until it expires, and requests with a JSON response."""

import json
import threading
import time
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from django.conf import settings

from recommendations.sending.channels.accounts import Account
from recommendations.sending.channels.twilio import read_object
from recommendations.sending.transport.http import HttpSender

API = "https://qyapi.weixin.qq.com"
EXPIRED_CODES = (40014, 42001)  # invalid or expired token
EARLY_SECONDS = (
    300.0  # before a token expires, a new one is requested, so that none expires while a message is being sent
)
MIN_AGE = 30.0  # a newer token is kept although a message was refused: that message used the previous token
TIMEOUT = 10.0

_tokens: dict[tuple[str, str, str], tuple[float, float, str]] = {}
_lock = threading.Lock()


class WeComError(OSError):
    """WeCom answered with an error code, or not at all."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"WeCom refuses the request: {code} {text}".strip())
        self.code = code


def get_base(account: Account) -> str:
    return str(account.options.get("base_url") or API)


def get_access_token(account: Account) -> str:
    """Return the access token of the account; it is requested once per lifetime. Raises WeComError."""
    secret = account.secrets["corp_secret"]
    key = (get_base(account), str(account.options["corp_id"]), sha256(secret.encode()).hexdigest())
    with _lock:
        _created_at, expires_at, token = _tokens.get(key, (0.0, 0.0, ""))
        if time.monotonic() < expires_at:
            return token
        query = urlencode({"corpid": account.options["corp_id"], "corpsecret": secret})
        answer = request_json("GET", f"{get_base(account)}/cgi-bin/gettoken?{query}")
        token, now = str(answer.get("access_token", "")), time.monotonic()
        if not token:
            raise WeComError(0, "no access_token in the answer")
        _tokens[key] = now, now + max(read_seconds(answer) - EARLY_SECONDS, EARLY_SECONDS), token
    return token


def forget_token() -> None:
    """Forget tokens that WeCom no longer accepts, unless they were just requested."""
    with _lock:
        for key, (created_at, _expires_at, _token) in list(_tokens.items()):
            if time.monotonic() - created_at >= MIN_AGE:
                del _tokens[key]


def get(account: Account, path: str) -> dict[str, Any]:
    """Return the response to a GET request. Raises WeComError."""
    return call(account, path, None)


def call(account: Account, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the response to a request; repeat it if the token has expired. Raises WeComError."""
    method = "POST" if body is not None else "GET"
    for is_last in (False, True):
        query = urlencode({"access_token": get_access_token(account)})
        try:
            return request_json(method, f"{get_base(account)}/cgi-bin/externalcontact/{path}?{query}", body)
        except WeComError as error:
            if is_last or error.code not in EXPIRED_CODES:
                raise
            _tokens.clear()
    raise AssertionError


def request_json(method: str, url: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the JSON object of a response. Raises WeComError if it has an error code."""
    data = json.dumps(body, ensure_ascii=False).encode() if body is not None else b""
    sender = HttpSender({"private_hosts": settings.WEBHOOK_PRIVATE_HOSTS, "timeout": TIMEOUT})
    header = {"id": 0, "attempt": 1, "method": method, "url": url, "headers": {"Content-Type": "application/json"}}
    try:
        result = sender.send({**header, "is_idempotent": True}, data, lambda: None)
    finally:
        sender.close()
    answer: dict[str, Any] = dict(read_object(result.text))
    code = answer.get("errcode", 0)
    if result.outcome != "sent" or code:
        raise WeComError(code if isinstance(code, int) else 0, str(answer.get("errmsg") or result.text[:200]))
    return answer


def read_seconds(answer: Mapping[str, Any]) -> float:
    seconds = answer.get("expires_in")
    return float(seconds) if isinstance(seconds, int | float) else 7200.0
