"""WeCom messages to external contacts, which an employee confirms before WeCom sends them.

https://developer.work.weixin.qq.com/document/path/92135 (tasks, of 2025-11-17), /91039 (access token, of 2024-03-26).
"""

import json
from dataclasses import replace
from urllib.parse import urlencode

from recommendations.sending.channels.accounts import Account
from recommendations.sending.channels.base import ContactLimit, OutgoingMessage
from recommendations.sending.channels.providers import ProviderRequest
from recommendations.sending.channels.twilio import read_object
from recommendations.sending.transport.journal import SendResult
from recommendations.sending.wecom.api import EXPIRED_CODES, forget_token, get_access_token, get_base

# busy, invalid token, too many calls in total or at the same time
TEMPORARY_CODES = (-1, *EXPIRED_CODES, 45009, 45033)
# problems of the account: messages wait and are sent once it is fixed
ACCOUNT_CODES = (40001, 40003, 40013, 40091, 41001, 48002, 50002, 50003, 60011, 60020, 60111, 301002)
CONTACT_LIMITS = {
    "month": ContactLimit(0, "month"),
    "week": ContactLimit(7, "week"),
    "day": ContactLimit(1, "day"),
}


class WeComProvider:
    """Creates a task for the employee; the contacts are the trait `wecom_external_userid`.

    Contacts who get the same text are in one task, because the employee confirms each task by hand. Without a sender, WeCom gives the
    task to the employee who last talked to each contact.
    """

    key = "wecom"
    options = ("corp_id", "sender", "contact_limit", "base_url")
    secrets = ("corp_secret",)
    is_idempotent = False
    batch_size = 200
    retries_alone = False

    def build_request(self, message: OutgoingMessage, account: Account) -> ProviderRequest:
        body: dict[str, object] = {
            "chat_type": "single",
            "external_userid": list(message.all_recipients),
            "text": {"content": message.text.strip()},
        }
        if sender := account.options.get("sender"):
            body["sender"] = sender
        query = urlencode({"access_token": get_access_token(account)})
        return ProviderRequest(
            f"{get_base(account)}/cgi-bin/externalcontact/add_msg_template?{query}",
            {"Content-Type": "application/json"},
            json.dumps(body, ensure_ascii=False).encode(),
        )

    def read_answer(self, result: SendResult) -> SendResult:
        answer = read_object(result.text)
        code = answer.get("errcode")
        if result.outcome != "sent" or code is None:
            return result
        if code == 0:
            failed = answer.get("fail_list") or []
            task = str(answer.get("msgid", ""))
            is_refused = result.recipient in failed if result.recipient and isinstance(failed, list) else bool(failed)
            if not is_refused:
                return replace(result, provider_id=task)
            text = "The contact cannot get the message: they are not a customer of any employee whom the application may use."
            return replace(result, outcome="permanent", text=text)
        if code in EXPIRED_CODES:
            forget_token()
        is_temporary = code in TEMPORARY_CODES or code in ACCOUNT_CODES
        text = f"{code} {answer.get('errmsg', '')}"
        return replace(result, outcome="temporary" if is_temporary else "permanent", text=text)


def find_contact_limit(account: Account) -> ContactLimit:
    """Return how many messages a contact can get, as it is set in WeCom: by default as many as the month has days."""
    return CONTACT_LIMITS.get(str(account.options.get("contact_limit", "")), CONTACT_LIMITS["month"])
