"""Refuses passwords that contain the name of the shop or of Perennial, which an attacker would try first."""

import re
import unicodedata
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from config.foundation.shop.profile import get_shop

PRODUCT = "perennial"
MIN_LENGTH = 4  # shorter words are part of too many good passwords; two Chinese characters are a word
WIDE_MIN_LENGTH = 2
WORD = re.compile(r"\w+")


class ShopWordValidator:
    """Refuses passwords that contain a word of the shop's name."""

    def validate(self, password: str, user: Any = None) -> None:
        text = normalize(password)
        for word in list_shop_words():
            if word in text:
                raise ValidationError(
                    _("The password contains “%(word)s”, which is easy to guess here. Leave it out."),
                    code="password_shop_word",
                    params={"word": word},
                )

    def get_help_text(self) -> str:
        return _("Your password can’t contain the name of the shop.")


def list_shop_words() -> list[str]:
    words = WORD.findall(normalize(get_shop().name))
    return sorted({PRODUCT, *(word for word in words if is_long_enough(word))})


def is_long_enough(word: str) -> bool:
    return len(word) >= (MIN_LENGTH if word.isascii() else WIDE_MIN_LENGTH)


def normalize(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
