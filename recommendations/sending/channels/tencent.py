"""SMS by Tencent Cloud: SendSms 2021-01-11, signed with TC3-HMAC-SHA256.

https://cloud.tencent.com/document/api/382/55981, https://cloud.tencent.com/document/api/382/52071
"""

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime

from recommendations.sending.channels.accounts import Account
from recommendations.sending.channels.aliyun import build_template_parameters
from recommendations.sending.channels.base import OutgoingMessage
from recommendations.sending.channels.providers import ProviderRequest
from recommendations.sending.channels.twilio import read_object
from recommendations.sending.transport.journal import SendResult

HOST = "sms.tencentcloudapi.com"
SERVICE = "sms"
CONTENT_TYPE = "application/json; charset=utf-8"


class TencentProvider:
    """Sends a registered template, whose parameters are the values of the message's JSON in their order."""

    key = "tencent"
    options = ("secret_id", "app_id", "sign_name", "template_id", "region", "base_url")
    secrets = ("secret_key",)
    is_idempotent = False

    def build_request(self, message: OutgoingMessage, account: Account) -> ProviderRequest:
        phone = message.recipient if message.recipient.startswith("+") else f"+86{message.recipient}"
        body = json.dumps(
            {
                "PhoneNumberSet": [phone],
                "SmsSdkAppId": account.options["app_id"],
                "SignName": account.options["sign_name"],
                "TemplateId": account.options["template_id"],
                "TemplateParamSet": [str(value) for value in build_template_parameters(message.text).values()],
                "SessionContext": str(message.delivery_id),
            }
        ).encode()
        headers = sign_tencent(body, account, moment=datetime.now(UTC))
        return ProviderRequest(f"{account.options.get('base_url') or f'https://{HOST}'}/", headers, body)

    def read_answer(self, result: SendResult) -> SendResult:
        response = read_object(result.text).get("Response")
        if not isinstance(response, dict):
            return result
        error = response.get("Error")
        if isinstance(error, dict):
            code = str(error.get("Code", ""))
            outcome = "temporary" if code.startswith(("RequestLimitExceeded", "InternalError")) else "permanent"
            return replace(result, outcome=outcome, text=f"{code} {error.get('Message', '')}")
        [status, *_others] = response.get("SendStatusSet") or [{}]
        if status.get("Code") == "Ok":
            return replace(result, provider_id=str(status.get("SerialNo", "")))
        code = str(status.get("Code", ""))
        outcome = "temporary" if code.startswith(("LimitExceeded", "InternalError")) else "permanent"
        return replace(result, outcome=outcome, text=f"{code} {status.get('Message', '')}")


def sign_tencent(body: bytes, account: Account, *, moment: datetime) -> dict[str, str]:
    """Return the headers of a POST request."""
    action, date = "SendSms", f"{moment:%Y-%m-%d}"
    names = "content-type;host;x-tc-action"
    canonical = "\n".join(
        [
            "POST", "/", "", f"content-type:{CONTENT_TYPE}\nhost:{HOST}\nx-tc-action:{action.lower()}\n", names,
            hashlib.sha256(body).hexdigest(),
        ]
    )  # fmt: skip
    scope = f"{date}/{SERVICE}/tc3_request"
    timestamp = str(int(moment.timestamp()))
    to_sign = f"TC3-HMAC-SHA256\n{timestamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"TC3{account.secrets['secret_key']}".encode()
    for part in (date, SERVICE, "tc3_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    credential = f"Credential={account.options['secret_id']}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {
        "Authorization": f"TC3-HMAC-SHA256 {credential}",
        "Content-Type": CONTENT_TYPE,
        "Host": HOST,
        "X-TC-Action": action,
        "X-TC-Timestamp": timestamp,
        "X-TC-Version": "2021-01-11",
        "X-TC-Region": account.options.get("region") or "ap-guangzhou",
    }
