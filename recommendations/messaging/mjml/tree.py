"""Parses MJML into a tree whose nodes know their place in the source, so that an edit changes only the bytes it means to."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape

from django.utils.translation import gettext as _

from recommendations.messaging.mjml.problems import SourceProblem, make_problem

VOID_TAGS = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)
OPAQUE_TAGS = frozenset({"mj-style", "style", "script"})  # their content is not markup
MARKUP = re.compile(r"<!--|<!\[CDATA\[|<!|<\?|</?[a-zA-Z]|<")
NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9:_.-]*")
ATTRIBUTE = re.compile(r"\s*([^\s=<>\"'/]+)(?:(\s*=\s*)(?:\"([^\"]*)\"|'([^']*)'))?")


@dataclass
class Attribute:
    """An attribute with its place: of the whole, and of the value without its quotes."""

    name: str
    raw: str
    start: int
    end: int
    value_start: int
    value_end: int

    @property
    def value(self) -> str:
        return unescape(self.raw)


@dataclass
class Element:
    """An element from `start` to `end`; its content is from `content_start` to `content_end`."""

    tag: str
    start: int
    content_start: int
    content_end: int = -1
    end: int = -1
    is_self_closing: bool = False
    attributes: list[Attribute] = field(default_factory=list)
    children: list["Element"] = field(default_factory=list)
    parent: "Element | None" = field(default=None, repr=False)

    def get(self, name: str, default: str = "") -> str:
        """Return the value of an attribute."""
        return next((attribute.value for attribute in self.attributes if attribute.name == name), default)

    def find_attribute(self, name: str) -> Attribute | None:
        return next((attribute for attribute in self.attributes if attribute.name == name), None)

    def walk(self) -> Iterator["Element"]:
        """Yield the element and all elements below it, in the order of the source."""
        yield self
        for child in self.children:
            yield from child.walk()

    def find_all(self, tag: str) -> list["Element"]:
        return [element for element in self.walk() if element.tag == tag]


@dataclass
class SourceTree:
    """The top-level elements of a source, the places of its texts, and the problems of its syntax.

    texts: (start, end, element) of every text that is not only white space. comments: (start, end) of every comment.
    """

    source: str
    roots: list[Element] = field(default_factory=list)
    texts: list[tuple[int, int, Element | None]] = field(default_factory=list)
    comments: list[tuple[int, int]] = field(default_factory=list)
    problems: list[SourceProblem] = field(default_factory=list)

    def walk(self) -> Iterator[Element]:
        for root in self.roots:
            yield from root.walk()

    def get_content(self, element: Element) -> str:
        """Return the text between the tags of an element, as it was written."""
        return self.source[element.content_start : element.content_end]


class MarkupParser:
    """Reads a source from its beginning; wrong markup is reported and read as text."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.tree = SourceTree(source)
        self.open: list[Element] = []
        self.offset = 0

    def parse(self) -> SourceTree:
        while self.offset < len(self.source):
            if self.open and self.open[-1].tag in OPAQUE_TAGS:
                self._read_opaque(self.open[-1])
                continue
            match = MARKUP.search(self.source, self.offset)
            self._add_text(self.offset, match.start() if match else len(self.source))
            if match is None:
                break
            self._read_markup(match)
        for element in reversed(self.open):
            self._report(element.start, _("<%(tag)s> is not closed. Add </%(tag)s>.") % {"tag": element.tag})
            element.content_end = element.end = len(self.source)
        return self.tree

    def _report(self, offset: int, message: str) -> None:
        self.tree.problems.append(make_problem(self.source, offset, message))

    def _add_text(self, start: int, end: int) -> None:
        if self.source[start:end].strip():
            self.tree.texts.append((start, end, self.open[-1] if self.open else None))
        self.offset = end

    def _read_markup(self, match: re.Match[str]) -> None:
        start, kind = match.start(), match[0]
        if kind == "<!--":
            self._skip(start, "-->", _("The comment is not closed. Add -->."), is_comment=True)
        elif kind == "<![CDATA[":
            self._skip(start, "]]>", _("The CDATA section is not closed. Add ]]>."))
        elif kind in ("<!", "<?"):
            self._skip(start, ">", _("The declaration is not closed. Add >."))
        elif kind == "<":
            self._report(start, _("“<” does not start a tag here. To show the character, write &lt;."))
            self.offset = start + 1
        elif kind.startswith("</"):
            self._close_element(start)
        else:
            self._open_element(start)

    def _skip(self, start: int, closing: str, message: str, *, is_comment: bool = False) -> None:
        end = self.source.find(closing, start + 2)
        if end < 0:
            self._report(start, message)
            end = len(self.source) - len(closing)
        self.offset = end + len(closing)
        if is_comment:
            self.tree.comments.append((start, self.offset))

    def _read_opaque(self, element: Element) -> None:
        match = re.compile(rf"</{element.tag}\s*>", re.IGNORECASE).search(self.source, self.offset)
        if match is None:
            self.offset = len(self.source)
            return
        self.offset = match.start()
        self._close_element(match.start())

    def _open_element(self, start: int) -> None:
        name = NAME.match(self.source, start + 1)
        assert name is not None
        tag = name[0].lower()
        element = Element(tag, start, -1, parent=self.open[-1] if self.open else None)
        offset = name.end()
        while match := ATTRIBUTE.match(self.source, offset):
            self._add_attribute(element, match)
            offset = match.end()
        closing = re.compile(r"\s*(/?)>").match(self.source, offset)
        if closing is None:
            self._report(
                offset, _('The tag <%(tag)s> is not well formed here. Write attributes as name="value".') % {"tag": tag}
            )
            end = self.source.find(">", offset)
            offset = len(self.source) if end < 0 else end + 1
            is_self_closing = False
        else:
            offset, is_self_closing = closing.end(), bool(closing[1])
        element.content_start = element.content_end = element.end = self.offset = offset
        element.is_self_closing = is_self_closing
        (self.open[-1].children if self.open else self.tree.roots).append(element)
        if not is_self_closing and tag not in VOID_TAGS:
            self.open.append(element)

    def _add_attribute(self, element: Element, match: re.Match[str]) -> None:
        start = match.start(1)
        raw = match[3] if match[3] is not None else match[4]
        value_start = match.end() if raw is None else match.start(3 if match[3] is not None else 4)
        if element.find_attribute(match[1]) is not None:
            self._report(start, _("The attribute %(name)s occurs twice. Remove one.") % {"name": match[1]})
        if match[2] is not None and raw is None:
            self._report(start, _('The value of %(name)s has no quotes. Write %(name)s="…".') % {"name": match[1]})
        value_end = value_start + len(raw or "")
        element.attributes.append(Attribute(match[1], raw or "", start, match.end(), value_start, value_end))

    def _close_element(self, start: int) -> None:
        match = re.compile(r"</([a-zA-Z][a-zA-Z0-9:_.-]*)\s*>").match(self.source, start)
        if match is None:
            self._report(start, _("The closing tag is not well formed. Write </name>."))
            self.offset = start + 2
            return
        self.offset = match.end()
        tag = match[1].lower()
        if tag not in {element.tag for element in self.open}:
            self._report(
                start,
                _("</%(tag)s> has no matching opening tag. Remove it, or add <%(tag)s> before it.") % {"tag": tag},
            )
            return
        while self.open:
            element = self.open.pop()
            element.content_end = start
            if element.tag == tag:
                element.end = match.end()
                return
            element.end = start
            self._report(
                element.start,
                _("<%(tag)s> is not closed before </%(outer)s>. Add </%(tag)s>.") % {"tag": element.tag, "outer": tag},
            )


def parse_source(source: str) -> SourceTree:
    """Return the tree of a source. It has the problems of the syntax; a tree with problems is as complete as possible."""
    return MarkupParser(source).parse()
