"""Detects whether a text is English or Chinese, by the scripts of its letters."""

import re
from enum import StrEnum

# A Chinese character says about as much as three Latin letters.
CHARACTER_WEIGHT = 3
MAX_KANA_SHARE = 0.1  # Japanese mixes Chinese characters with kana

HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
LATIN = re.compile("[A-Za-z\u00c0-\u024f]")
KANA = re.compile("[\u3040-\u30ff]")
LETTER = re.compile(r"[^\W\d_]")


class Language(StrEnum):
    """A language with a sentiment model of its own."""

    ENGLISH = "en"
    CHINESE = "zh"


def detect_language(text: str) -> Language | None:
    """Return the language whose script has the largest share of a text; None for other scripts and texts without letters.

    Other languages in Latin letters count as English: their words are unknown to its model, which then does not score them.
    """
    han, latin, letters = len(HAN.findall(text)), len(LATIN.findall(text)), len(LETTER.findall(text))
    kana = len(KANA.findall(text))
    others = letters - han - latin
    if han * CHARACTER_WEIGHT >= max(latin, 1):
        is_chinese = han >= others and kana <= MAX_KANA_SHARE * (han + kana)
        return Language.CHINESE if is_chinese else None
    return Language.ENGLISH if latin and latin >= others * CHARACTER_WEIGHT else None
