"""How to fix the error codes of Chinese providers."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

_CREDENTIALS = _("Copy the keys of the account again from the provider's console.")
_BALANCE = _("Buy a package or top up the account. Waiting messages are then sent.")
_SIGNATURE = _(
    "Wait until the provider has approved the signature and the template, then enter both exactly as they appear "
    "in the provider's console."
)
_LIMIT = _("Raise the limit in the provider's console, or send fewer messages. Waiting messages are tried again.")
FIXES: dict[str, str | Promise] = {
    "40001 ": _CREDENTIALS,
    "40013 ": _CREDENTIALS,
    "40091 ": _CREDENTIALS,
    "AuthFailure": _CREDENTIALS,
    "InvalidAccessKeyId": _CREDENTIALS,
    "SignatureDoesNotMatch": _CREDENTIALS,
    "40003 ": _("Enter the user ID of an employee of the company, or leave the field empty."),
    "60111 ": _("Enter the user ID of an employee of the company, or leave the field empty."),
    "45009 ": _LIMIT,
    "48002 ": _("Allow the application to call the API of customer contact, in the admin console of WeCom."),
    "60011 ": _("Add the employee to the allowed users of the application in the WeCom admin console."),
    "60020 ": _(
        "Add the address of this server to the trusted IP addresses of the application, in the admin console of WeCom."
    ),
    "FailedOperation.InsufficientBalanceInSmsPackage": _BALANCE,
    "isv.AMOUNT_NOT_ENOUGH": _BALANCE,
    "isv.OUT_OF_SERVICE": _BALANCE,
    "FailedOperation.SignatureIncorrectOrUnapproved": _SIGNATURE,
    "FailedOperation.TemplateIncorrectOrUnapproved": _SIGNATURE,
    "isv.SMS_SIGNATURE_ILLEGAL": _SIGNATURE,
    "isv.SMS_TEMPLATE_ILLEGAL": _SIGNATURE,
    "LimitExceeded": _LIMIT,
    "isv.BUSINESS_LIMIT_CONTROL": _LIMIT,
    "isv.DAY_LIMIT_CONTROL": _LIMIT,
    "isv.MONTH_LIMIT_CONTROL": _LIMIT,
}


def find_fix(error: str) -> str:
    """Return how to fix an error that is stored with a message; empty for an unknown one."""
    return next((str(fix) for code, fix in FIXES.items() if f" {code}" in f" {error} "), "")
