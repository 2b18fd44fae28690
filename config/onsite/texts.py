"""The texts of the script's parts, in all languages. The browser fills the {placeholders}."""

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import override

TEXTS: dict[str, dict[str, str | Promise]] = {}


def build_part_texts(part: str) -> dict[str, dict[str, str]]:
    """Return the texts of a part by language and key."""
    texts: dict[str, dict[str, str]] = {}
    for language, _name in settings.LANGUAGES:
        with override(language):
            texts[language] = {key: str(text) for key, text in TEXTS.get(part, {}).items()}
    return texts
