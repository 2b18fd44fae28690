"""The head of a query or title: the word that names the product, such as bread in "sliced bread 20 oz"."""

import re
from collections.abc import Sequence
from functools import lru_cache

from recommendations.engine.text_search.tokens import singularize

# units and packages that a product comes in; the head is the word before them
MEASURES = frozenset(
    "oz ounce lb pound g gram kg kilo ml l liter litre cl ga gal gallon qt quart pt pint ct count pk pack package pkg dz doz dozen inch cm mm "  # noqa: SIM905
    "box bottle can jar tub tube carton case piece pc unit size sm xl".split()
)
# general words, such as supplies in "cleaning supplies"
GENERAL_NOUNS = frozenset(
    "accessory brand good item option product range selection set stuff supply thing type variety".split()  # noqa: SIM905
)
# words that describe a product also when they are typed last: noodles instant, eggs large
MODIFIERS = frozenset(
    "black blue boneless brown canned chilled cordless cotton diet dried dry extra fresh frozen gray green ground instant large light men mini "  # noqa: SIM905
    "new organic pink plain plus premium purple red salted shredded skinless sliced small smoked sweet unsalted unsweetened unscented "
    "vegan waterproof white whole wireless women yellow".split()
)
# a word that follows these describes the product: shampoo for kids, coffee without sugar
PREPOSITIONS = frozenset("for from in like no under w with without".split())  # noqa: SIM905


def find_head(words: Sequence[str], is_required: Sequence[bool]) -> int | None:
    """Return the position of the head; None without a required word.

    Noun phrases in English, Chinese and Japanese end with the head, apart from measures, general nouns and prepositional phrases.
    """
    end = next((position for position, word in enumerate(words) if position and word in PREPOSITIONS), len(words))
    candidates = [position for position in range(end) if is_required[position]]
    named = [position for position in candidates if words[position] not in MEASURES | GENERAL_NOUNS]
    words_only = [position for position in named if words[position].isalpha()]
    best = (
        [position for position in words_only if words[position] not in MODIFIERS] or words_only or named or candidates
    )
    return best[-1] if best else None


_PHRASES = re.compile(r"[,;:()&|\n]| [-–—] |\b(?:and|or)\b")
_DESCRIPTIONS = re.compile(r"\d|\b(?:for|from|in|no|of|on|to|w|with|without)\b")  # what follows describes the product
_TITLE_WORDS = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
NOT_HEADS = MODIFIERS | MEASURES | GENERAL_NOUNS


@lru_cache(maxsize=20_000)
def find_title_heads(title: str) -> str:
    """Return the words that name the product, separated by commas: "Potato chips, 11 oz" gives chips, "Potatoes russet" potatoes.

    English phrases end with the head, and words before it that describe it are singular; so a plural is a head too.
    """
    heads: list[str] = []
    for phrase in _PHRASES.split(title.lower()):
        parts = (list_nouns(part) for part in _DESCRIPTIONS.split(phrase))
        nouns = next(filter(None, parts), [])  # the first part: chilled 100% orange juice begins with a description
        heads += [noun for noun in nouns if singularize(noun) != noun or noun == nouns[-1]]
    return " , ".join(dict.fromkeys(heads))


def list_nouns(text: str) -> list[str]:
    """Return the words that may name a product."""
    words = _TITLE_WORDS.findall(text)
    return [word for word in words if singularize(word) not in NOT_HEADS and not word.endswith(("'s", "’s"))]
