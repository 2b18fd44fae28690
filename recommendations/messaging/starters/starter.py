"""A ready-made template and where to find all of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from recommendations.messaging.starters.layout import StarterText


@dataclass(frozen=True)
class Starter:
    """A ready-made template. names, descriptions and texts are by language."""

    key: str
    names: Mapping[str, str]
    descriptions: Mapping[str, str]
    texts: Mapping[str, StarterText]
