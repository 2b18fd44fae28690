"""What a section of the digest contains."""

from collections.abc import Callable
from dataclasses import dataclass, field

from config.digest.weeks import DigestWeek


@dataclass(frozen=True)
class DigestChange:
    """A change against another week, in words. direction: good, bad or neutral."""

    text: str
    direction: str = "neutral"


@dataclass(frozen=True)
class DigestFigure:
    """A figure of the week with its changes."""

    label: str
    value: str
    changes: tuple[DigestChange, ...] = ()


@dataclass(frozen=True)
class DigestRow:
    """A line of text with a note next to it, and the page that it opens (a path)."""

    text: str
    detail: str = ""
    url: str = ""


@dataclass(frozen=True)
class SectionContent:
    """A section that has content. url, action: the link to the page with more."""

    title: str
    figures: tuple[DigestFigure, ...] = ()
    rows: tuple[DigestRow, ...] = ()
    note: str = ""
    url: str = ""
    action: str = ""


@dataclass(frozen=True)
class DigestSection:
    """A section, who may see it, and the function that builds it, which returns None if there is nothing to report."""

    key: str
    permission: str
    build: Callable[[DigestWeek], SectionContent | None] = field(repr=False)
