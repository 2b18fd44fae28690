"""WeCom messages to external contacts: https://developer.work.weixin.qq.com/document/path/92135.

WeCom asks an employee to confirm each message, and lets a contact get four a month.
"""

import json
import time
from dataclasses import replace
from urllib.parse import urlencode

from django.conf import settings

from recommendations.sending.channels.accounts import Account
from recommendations.sending.channels.base import OutgoingMessage
from recommendations.sending.channels.providers import ProviderRequest
from recommendations.sending.channels.twilio import read_object
from recommendations.sending.transport.http import HttpSender
from recommendations.sending.transport.journal import SendResult

API = "https://qyapi.weixin.qq.com"
MONTHLY_LIMIT = 4
TEMPORARY_CODES = (-1, 40014, 42001, 45009)  # busy, token invalid or expired, too many calls
TOKEN_SECONDS = 6000
_tokens: dict[tuple[str, str], tuple[float, str]] = {}


class WeComProvider:
    """Creates a message task for one external contact, whose ID is the trait `wecom_external_userid`."""

    key = "wecom"
    options = ("corp_id", "sender", "base_url")
    secrets = ("corp_secret",)
    is_idempotent = False

    def build_request(self, message: OutgoingMessage, account: Account) -> ProviderRequest:
        body = {
            "chat_type": "single",
            "external_userid": [message.recipient],
            "sender": account.options["sender"],
            "text": {"content": message.text.strip()},
        }
        query = urlencode({"access_token": get_access_token(account)})
        return ProviderRequest(
            f"{account.options.get('base_url') or API}/cgi-bin/externalcontact/add_msg_template?{query}",
            {"Content-Type": "application/json"},
            json.dumps(body, ensure_ascii=False).encode(),
        )

    def read_answer(self, result: SendResult) -> SendResult:
        answer = read_object(result.text)
        code = answer.get("errcode")
        if result.outcome != "sent" or code is None:
            return result
        failed = answer.get("fail_list") or []
        if code == 0 and not failed:
            return replace(result, provider_id=str(answer.get("msgid", "")))
        if code in TEMPORARY_CODES:
            _tokens.clear()
        text = f"{code} {answer.get('errmsg', '')}" if code else "The contact cannot get the message."
        return replace(result, outcome="temporary" if code in TEMPORARY_CODES else "permanent", text=text)


def get_access_token(account: Account) -> str:
    """Return the access token, which is valid for two hours. Raises OSError."""
    base = str(account.options.get("base_url") or API)
    key = (base, str(account.options["corp_id"]))
    expires_at, token = _tokens.get(key, (0.0, ""))
    if time.monotonic() >= expires_at:
        query = urlencode({"corpid": account.options["corp_id"], "corpsecret": account.secrets["corp_secret"]})
        sender = HttpSender({"private_hosts": settings.WEBHOOK_PRIVATE_HOSTS, "timeout": 10.0})
        header = {"id": 0, "attempt": 1, "method": "GET", "url": f"{base}/cgi-bin/gettoken?{query}", "headers": {}}
        result = sender.send({**header, "is_idempotent": True}, b"", lambda: None)
        sender.close()
        answer = read_object(result.text)
        token = str(answer.get("access_token", ""))
        if not token:
            reason = f"{answer['errcode']} {answer.get('errmsg', '')}" if "errcode" in answer else result.text[:200]
            raise OSError(f"WeCom refuses the account: {reason}")
        _tokens[key] = (time.monotonic() + TOKEN_SECONDS, token)
    return token
