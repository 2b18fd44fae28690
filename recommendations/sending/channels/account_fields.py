"""The names of the fields of accounts, and how they are checked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from config.foundation.files.safe_download import DownloadError, check_public_url
from recommendations.sending.channels.web_push import load_private_key

MAX_PRICE = 100
PROVIDER_LABELS: Mapping[str, str | Promise] = {
    "twilio": "Twilio",
    "aliyun": _("Aliyun"),
    "tencent": _("Tencent Cloud"),
    "wecom": _("WeCom"),
    "vapid": _("Push services of browsers"),
    "webhook": _("your own server"),
}


class FieldError(ValueError):
    """The value of a field is wrong; the message says what would be right."""


@dataclass(frozen=True)
class AccountField:
    """A field of an account. check: raises FieldError. choices: values with their labels, if only a few are valid."""

    label: str | Promise
    help: str | Promise = ""
    is_required: bool = True
    check: Callable[[str], None] = lambda value: None
    choices: Sequence[tuple[str, str | Promise]] = ()


def check_address(url: str) -> None:
    """Check a URL to which messages are sent."""
    host = url.partition("://")[2].partition("/")[0].rpartition("@")[2].partition(":")[0]
    if host in settings.WEBHOOK_PRIVATE_HOSTS:
        return
    try:
        check_public_url(url, settings.WEBHOOK_PRIVATE_HOSTS)
    except DownloadError as error:
        raise FieldError(str(error)) from error


def check_contact(value: str) -> None:
    if not value.startswith(("mailto:", "https://")):
        raise FieldError(_t("Begin with mailto: or https://, such as mailto:shop@example.com."))


def check_private_key(value: str) -> None:
    try:
        load_private_key(value)
    except ValueError as error:
        raise FieldError(
            _t("This is not a key of 32 bytes in URL-safe base64. Leave it empty for a new one.")
        ) from error


def check_price(value: str) -> None:
    try:
        price = Decimal(value)
    except InvalidOperation as error:
        raise FieldError(_t("Enter a number with a decimal point, such as 0.045.")) from error
    if not price.is_finite() or not 0 <= price <= MAX_PRICE:
        raise FieldError(_t("Enter a price between 0 and 100."))


ACCOUNT_FIELDS: Mapping[str, AccountField] = {
    "account_sid": AccountField(_("Account SID")),
    "auth_token": AccountField(_("Auth token")),
    "from": AccountField(_("Sender"), _("A number in international format, such as +4915112345678, or a sender name.")),
    "access_key_id": AccountField(_("AccessKey ID")),
    "access_key_secret": AccountField(_("AccessKey secret")),
    "sign_name": AccountField(_("Signature"), _("The registered signature, without brackets.")),
    "template_code": AccountField(_("Template code"), _("The registered template, such as SMS_123456789.")),
    "secret_id": AccountField(_("SecretId")),
    "secret_key": AccountField(_("SecretKey")),
    "app_id": AccountField(_("SDK AppID")),
    "template_id": AccountField(_("Template ID"), _("The number of the registered template.")),
    "region": AccountField(_("Region"), _("Leave it empty for ap-guangzhou."), is_required=False),
    "template_text": AccountField(
        _("Text of the template"),
        _("As registered, with its variables. Used to count the characters of the SMS messages of campaigns."),
        is_required=False,
    ),
    "unsubscribe_text": AccountField(
        _("How to unsubscribe"),
        _(
            "What the provider appends to marketing messages, such as 拒收请回复R. It counts as characters of the message."
        ),
        is_required=False,
    ),
    "part_price": AccountField(
        _("Price per SMS part"),
        _("In the shop's currency, such as 0.045. Used to estimate what a campaign costs."),
        is_required=False,
        check=check_price,
    ),
    "corp_id": AccountField(_("Corp ID")),
    "corp_secret": AccountField(
        _("Secret of the application for customer contact"),
        _("The secret of your own WeCom application that is allowed to call the customer contact API."),
    ),
    "sender": AccountField(
        _("Employee"),
        _(
            "The user ID of the employee who gets the tasks. Leave it empty to let WeCom choose the employee who last talked to each contact."
        ),
        is_required=False,
    ),
    "contact_limit": AccountField(
        _("Maximum messages per contact"),
        _(
            "The limit set in WeCom under group messages. Messages beyond the limit are skipped by Perennial instead of being refused by WeCom."
        ),
        is_required=False,
        choices=(
            ("", _("as many per month as the month has days")),
            ("week", _("seven a week")),
            ("day", _("one a day")),
        ),
    ),
    "subject": AccountField(
        _("Contact"), _("Where push services reach you, such as mailto:shop@example.com."), check=check_contact
    ),
    "private_key": AccountField(
        _("Private key"),
        _("Leave it empty for a new one. Browsers that subscribed with another key get no more messages."),
        is_required=False,
        check=check_private_key,
    ),
    "url": AccountField(_("URL"), _("Begins with https://."), check=check_address),
    "secret": AccountField(
        _("Signing secret"), _("Your server checks the signature of each request with it."), is_required=False
    ),
    "base_url": AccountField(
        _("Address of the API"),
        _("Leave it empty for the provider's own; otherwise https, such as that of another region."),
        is_required=False,
        check=check_address,
    ),
}
