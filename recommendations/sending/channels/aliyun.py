"""SMS by Aliyun: SendSms of Dysmsapi 2017-05-25, signed with ACS3-HMAC-SHA256.

https://help.aliyun.com/zh/sms/developer-reference/api-dysmsapi-2017-05-25-sendsms
https://help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature
"""

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

from recommendations.sending.channels.accounts import Account
from recommendations.sending.channels.base import OutgoingMessage
from recommendations.sending.channels.providers import SMS_OPTIONS, ProviderRequest
from recommendations.sending.channels.twilio import read_object
from recommendations.sending.transport.journal import SendResult

SEND_SMS = ("SendSms", "2017-05-25")
HOST = "dysmsapi.aliyuncs.com"
# Rate limits, outages, and problems of the account, its signature or template: messages wait and are sent once they are fixed.
TEMPORARY_CODES = (
    "isv.BUSINESS_LIMIT_CONTROL", "isv.DAY_LIMIT_CONTROL", "isv.MONTH_LIMIT_CONTROL", "isp.SYSTEM_ERROR",
    "isp.GATEWAY_ERROR", "isp.RAM_PERMISSION_DENY", "Throttling", "ServiceUnavailable", "SignatureDoesNotMatch", "InvalidAccessKeyId",
    "isv.OUT_OF_SERVICE", "isv.AMOUNT_NOT_ENOUGH", "isv.PRODUCT_UN_SUBSCRIPT", "isv.ACCOUNT_NOT_EXISTS", "isv.ACCOUNT_ABNORMAL",
    "isv.SMS_SIGNATURE_ILLEGAL", "isv.SMS_SIGN_ILLEGAL", "isv.SIGN_STATE_ILLEGAL", "isv.SMS_TEMPLATE_ILLEGAL",
    "isv.SMS_SIGNATURE_SCENE_ILLEGAL", "isv.DENY_IP_RANGE",
)  # fmt: skip

# One such number makes Aliyun refuse the whole request, and nothing is sent: each number is tried again in its own request.
NUMBER_CODES = ("isv.MOBILE_NUMBER_ILLEGAL",)


class AliyunProvider:
    """Sends a registered template, whose parameters are the JSON of the message; a plain text is the parameter "content"."""

    key = "aliyun"
    options = ("access_key_id", "sign_name", "template_code", *SMS_OPTIONS, "base_url")
    secrets = ("access_key_secret",)
    is_idempotent = False
    batch_size = 100  # SendSms accepts 1,000 numbers; 100 keep the URL below 2,000 characters
    retries_alone = True

    def build_request(self, message: OutgoingMessage, account: Account) -> ProviderRequest:
        query = {
            "OutId": str(message.delivery_id),
            "PhoneNumbers": ",".join(phone.removeprefix("+86").removeprefix("+") for phone in message.all_recipients),
            "SignName": account.options["sign_name"],
            "TemplateCode": account.options["template_code"],
            "TemplateParam": json.dumps(build_template_parameters(message.text), ensure_ascii=False),
        }
        text = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in sorted(query.items()))
        moment = datetime.now(UTC)
        nonce = hashlib.sha256(f"{message.delivery_id}:{message.attempt}".encode()).hexdigest()[:32]
        base = account.options.get("base_url") or f"https://{HOST}"
        headers = sign_aliyun(text, account, moment=moment, nonce=nonce, host=urlsplit(base).netloc)
        return ProviderRequest(f"{base}/?{text}", headers, b"")

    def read_answer(self, result: SendResult) -> SendResult:
        answer = read_object(result.text)
        code = str(answer.get("Code", ""))
        if result.outcome == "sent" and code == "OK":
            return replace(result, provider_id=str(answer.get("BizId", "")))
        is_of_other = bool(result.recipient) and code.startswith(NUMBER_CODES)
        outcome = (
            "temporary" if code.startswith(TEMPORARY_CODES) or is_of_other else "permanent" if code else result.outcome
        )
        return replace(result, outcome=outcome, text=f"{code} {answer.get('Message', '')}".strip() or result.text)


def build_template_parameters(text: str) -> dict[str, object]:
    """Return the parameters of a registered template: the JSON object of the message, or its text as "content"."""
    return read_object(text) or {"content": text.strip()}


def sign_aliyun(
    query: str, account: Account, *, moment: datetime, nonce: str, host: str = HOST, action: tuple[str, str] = SEND_SMS
) -> dict[str, str]:
    """Return the headers of a request without a body. action: its name and the version of the API."""
    digest = hashlib.sha256(b"").hexdigest()
    signed = {
        "host": host,
        "x-acs-action": action[0],
        "x-acs-content-sha256": digest,
        "x-acs-date": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        "x-acs-signature-nonce": nonce,
        "x-acs-version": action[1],
    }
    names = ";".join(signed)
    canonical = "\n".join(
        ["POST", "/", query, "".join(f"{name}:{value}\n" for name, value in signed.items()), names, digest]
    )
    to_sign = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(account.secrets["access_key_secret"].encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    credential = f"Credential={account.options['access_key_id']},SignedHeaders={names},Signature={signature}"
    return {**signed, "Authorization": f"ACS3-HMAC-SHA256 {credential}"}
