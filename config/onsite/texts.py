"""The texts of the script's parts, in all languages. The browser fills the {placeholders}."""

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

NEEDS_CONSENT = _("Allow analytics in the privacy settings of this site first.")
TEXTS: dict[str, dict[str, str | Promise]] = {
    "offer": {"close": _("Close"), "more": _("Learn more"), "offer": _("Offer")},
    "search": {"category": _("Category"), "suggestions": _("Suggestions")},
    "form": {
        "check_mail": _("Almost done: open the email that we have sent you and confirm your address."),
        "failed": _("That did not work. Check your connection and try again."),
        "invalid_address": _("Enter a valid email address, such as mei@shop.example."),
        "needs_consent": NEEDS_CONSENT,
        "thanks": _("Thank you. Your answers were saved."),
        "too_many": _("Too many attempts. Try again in an hour."),
    },
    "back-in-stock": {
        "log_in": _("Log in or subscribe so that we can notify you."),
        "needs_consent": NEEDS_CONSENT,
        "noted": _("Request saved"),
        "requested": _("We will notify you"),
    },
}


def build_part_texts(part: str) -> dict[str, dict[str, str]]:
    """Return the texts of a part by language and key."""
    texts: dict[str, dict[str, str]] = {}
    for language, _name in settings.LANGUAGES:
        with override(language):
            texts[language] = {key: str(text) for key, text in TEXTS.get(part, {}).items()}
    return texts
