"""A light English stemmer: inflected forms of one word, such as slice and sliced, share a stem."""

_VOWELS = frozenset("aeiouy")
MIN_STEM = 3


def stem_word(word: str) -> str:
    """Return the stem of a singular English word: without -ed, -ing and a final e, and without a doubled consonant before them.

    It removes less than Porter's stemmer, which also gives words of different meaning one stem, such as general and generic.
    """
    if not word.isascii() or len(word) < MIN_STEM + 1 or not word.isalpha():
        return word
    for ending in ("ing", "ed"):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= MIN_STEM and not _VOWELS.isdisjoint(stem):
            if stem[-1] == stem[-2] and stem[-1] not in "aeiousl":
                return stem[:-1]
            return stem.removesuffix("i") + "y" if ending == "ed" and stem.endswith("i") else stem.removesuffix("e")
    return word.removesuffix("e")


def is_inflected(word: str) -> bool:
    """Return whether the word has an ending that its stem lacks."""
    return word.endswith(("ing", "ed"))


def pluralize(word: str) -> str:
    """Return the plural of an English word."""
    if word.endswith("y") and word[-2:-1] not in ("a", "e", "o", "u", ""):
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(("s", "x", "z", "ch", "sh", "ato")) else f"{word}s"
