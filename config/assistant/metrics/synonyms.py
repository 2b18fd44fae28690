"""What people call the metrics."""

from collections.abc import Mapping


def make_synonyms(english: str, chinese: str) -> Mapping[str, tuple[str, ...]]:
    """Return the synonyms of both languages from texts that are separated by commas, in lower case."""
    return {"en": tuple(english.split(",")), "zh-hans": tuple(chinese.split(","))}
