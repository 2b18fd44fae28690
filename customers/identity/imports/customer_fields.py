"""The fields that the columns of a customer file can fill, and how their values are cleaned."""

from collections.abc import Mapping
from datetime import date, datetime
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from catalog.field_cleaning import Cleaner, InvalidValueError, clean_bool, clean_id, clean_text, is_empty, shorten_value
from customers.identity.personal_data.hashing import normalize_phone
from customers.identity.traits import MAX_COUNTRY, MAX_LANGUAGE, MAX_NAME, MIN_BIRTHDAY

# field → its description
FIELDS: dict[str, Promise] = {
    "user_id": gettext_lazy("the shop's own customer ID; without one, the email address identifies the customer"),
    "email": gettext_lazy("email address"),
    "name": gettext_lazy("full name"),
    "first_name": gettext_lazy("first name, if the file has no full name"),
    "last_name": gettext_lazy("last name, if the file has no full name"),
    "phone": gettext_lazy("phone number, with the country code"),
    "birthday": gettext_lazy("date of birth"),
    "wechat_openid": gettext_lazy("WeChat openid; separate several with commas"),
    "wechat_unionid": gettext_lazy(
        "WeChat unionid, which links the openids of a company's mini-programs and official accounts"
    ),
    "language": gettext_lazy("language, such as en or zh-Hans"),
    "country": gettext_lazy("country"),
    "email_consent": gettext_lazy("whether the customer wants marketing emails: yes or no"),
    "sms_consent": gettext_lazy("whether the customer wants marketing text messages: yes or no"),
    "tags": gettext_lazy("tags, separated by commas; stored as a trait"),
}
CONSENT_FIELDS = {"email_consent": "email", "sms_consent": "sms"}
CONSENT_WORDS = {"subscribed": True, "unsubscribed": False, "not subscribed": False, "是": True, "否": False}
MAX_EMAIL = 254
MIN_PHONE_DIGITS = 5
DATE_FORMATS = ("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%Y年%m月%d日")


def clean_email(value: Any) -> str:
    text = clean_text(value, MAX_EMAIL)
    if text:
        try:
            validate_email(text)
        except ValidationError as error:
            raise InvalidValueError(
                "bad_email", _("%(value)s is not a valid email address.") % {"value": repr(shorten_value(text))}
            ) from error
    return text


def clean_phone(value: Any) -> str:
    text = clean_text(value, 51).removeprefix("'")
    if text and len(normalize_phone(text).removeprefix("+")) < MIN_PHONE_DIGITS:
        raise InvalidValueError("bad_phone", _("A phone number must have at least five digits."))
    return text


def make_birthday_cleaner(at: datetime) -> Cleaner:
    """Return a cleaner of dates of birth that are not in the future."""

    def clean(value: Any) -> str:
        text = clean_text(value, 50)
        if not text:
            return ""
        day = parse_day(text.split("T")[0].split(" ")[0])
        if day is None or not MIN_BIRTHDAY <= day <= at.date():
            raise InvalidValueError(
                "bad_birthday",
                _("%(value)s is not a valid date of birth; use a format like 1990-05-17.") % {"value": repr(text)},
            )
        return day.isoformat()

    return clean


def parse_day(text: str) -> date | None:
    for pattern in DATE_FORMATS:
        try:
            return datetime.strptime(text, pattern).date()  # noqa: DTZ007 — a day without a time
        except ValueError:
            continue
    return None


def clean_consent(value: Any) -> bool | None:
    if is_empty(value):
        return None
    word = shorten_value(value).strip().casefold()
    return CONSENT_WORDS[word] if word in CONSENT_WORDS else clean_bool(value)


def clean_customer_id(value: Any) -> str:
    text = clean_id(value, 256).removeprefix("'")  # it marks texts for spreadsheets
    if text.endswith(".0") and text[:-2].isdecimal():
        return text[:-2]  # spreadsheets turn IDs into numbers with decimals when some are missing
    return clean_id(text, 255)


def build_cleaners(at: datetime) -> Mapping[str, Cleaner]:
    return {
        "user_id": clean_customer_id,
        "email": clean_email,
        "name": partial(clean_text, max_length=MAX_NAME),
        "first_name": partial(clean_text, max_length=MAX_NAME // 2),
        "last_name": partial(clean_text, max_length=MAX_NAME // 2),
        "phone": clean_phone,
        "birthday": make_birthday_cleaner(at),
        "language": partial(clean_text, max_length=MAX_LANGUAGE),
        "country": partial(clean_text, max_length=MAX_COUNTRY),
        "email_consent": clean_consent,
        "sms_consent": clean_consent,
        "tags": partial(clean_text, max_length=2000),
        "wechat_openid": partial(clean_text, max_length=2000),
        "wechat_unionid": partial(clean_text, max_length=128),
    }
