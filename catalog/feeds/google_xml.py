"""Google Merchant feeds in XML: RSS 2.0 items and Atom entries with fields of the ``g:`` namespace.

Only the current item is held in memory. Document types, and with them entities, are rejected.
"""

from collections.abc import Iterator
from typing import Any, TextIO

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser, ParseError
from django.utils.translation import gettext as _

from catalog.bulk_results import FieldProblem
from catalog.feeds.feed_file import FeedError
from catalog.feeds.row_mapping import FeedRow

GOOGLE_NAMESPACE = "{http://base.google.com/ns/1.0}"
ITEM_TAGS = frozenset({"item", "entry"})
# elements of RSS and Atom themselves that do not describe the product
IGNORED_TAGS = frozenset({"guid", "pubdate", "updated", "published", "author", "source", "rights", "comments"})
CHUNK = 1 << 16
MAX_ITEM_CHARACTERS = 1 << 20
MAX_DEPTH = 64  # of elements; freeing much deeper trees recurses in C


def read_google_xml(stream: TextIO) -> Iterator[FeedRow]:
    """Yield the items of a feed; ``line`` is where an item begins.

    Raises:
        FeedError: the XML is not well-formed, has a document type, or has no items.
    """
    target = ItemCollector()
    parser = DefusedXMLParser(target=target, forbid_dtd=True)
    target.expat = parser.parser
    has_items = False
    try:
        while chunk := stream.read(CHUNK):
            parser.feed(chunk)
            has_items = has_items or bool(target.rows)
            yield from target.pop_rows()
        parser.close()  # reports a document that ends too early
    except ParseError as error:
        line, column = error.position
        raise FeedError(
            _("Invalid XML at line %(line)d, column %(column)d: %(reason)s.")
            % {"line": line, "column": column + 1, "reason": str(error).partition(":")[0]}
        ) from error
    except DefusedXmlException as error:
        raise FeedError(
            _("The XML declares a document type or entities; remove the <!DOCTYPE …> declaration.")
        ) from error
    yield from target.pop_rows()
    if not has_items:
        raise FeedError(_("The XML has no <item> or <entry>, so it is not a product feed."))


class ItemCollector:
    """The target of the XML parser: collects one item at a time into nested dictionaries."""

    def __init__(self) -> None:
        self.rows: list[FeedRow] = []
        self.expat: Any = None
        self.depth = 0
        # the current item: its first line, its open elements from the outermost to the innermost, and its length
        self.line = 0
        self.open_elements: list[XmlElement] = []
        self.size = 0

    def pop_rows(self) -> list[FeedRow]:
        """Return the finished items and forget them."""
        rows, self.rows = self.rows, []
        return rows

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise FeedError(
                _("The XML is nested more than %(levels)d levels deep at line %(line)d.")
                % {"levels": MAX_DEPTH, "line": self.expat.CurrentLineNumber}
            )
        name = tag.rpartition("}")[2]
        if not self.open_elements:
            if name.lower() not in ITEM_TAGS:
                return
            self.line, self.size = self.expat.CurrentLineNumber, 0
        element = XmlElement(name.lower(), tag.startswith(GOOGLE_NAMESPACE))
        # Atom puts the address of a link into an attribute
        if name == "link" and attributes.get("href") and attributes.get("rel", "alternate") == "alternate":
            element.texts.append(attributes["href"])
        self.open_elements.append(element)

    def data(self, text: str) -> None:
        if self.open_elements:
            # a text beyond the maximum is counted, to report the item as too long, but not stored
            self.size += len(text)
            if self.size <= MAX_ITEM_CHARACTERS:
                self.open_elements[-1].texts.append(text)

    def end(self, tag: str) -> None:
        self.depth -= 1
        if not self.open_elements:
            return
        element = self.open_elements.pop()
        if self.open_elements:
            self.open_elements[-1].add(element)
        elif self.size > MAX_ITEM_CHARACTERS:
            message = _("The item has more than %(most)d characters.") % {"most": MAX_ITEM_CHARACTERS}
            self.rows.append(FeedRow(self.line, problem=FieldProblem("row", "too_long", message)))
        else:
            self.rows.append(FeedRow(self.line, element.children))

    def close(self) -> None:
        """Do nothing; the parser calls this at the end of the document."""


class XmlElement:
    """An open element: its own text and its closed children by name.

    Repeated children become a list.
    """

    def __init__(self, name: str, is_google: bool) -> None:
        self.name = name
        self.is_google = is_google
        self.texts: list[str] = []
        self.children: dict[str, Any] = {}
        self.google_names: set[str] = set()

    @property
    def value(self) -> Any:
        return self.children or "".join(self.texts).strip()

    def add(self, child: "XmlElement") -> None:
        """Add a closed child.

        An element of Google's namespace replaces one of RSS or Atom with the same name.
        """
        if not child.is_google and (child.name in IGNORED_TAGS or child.name in self.google_names):
            return
        if child.is_google and child.name not in self.google_names:
            self.children.pop(child.name, None)
            self.google_names.add(child.name)
        if child.name not in self.children:
            self.children[child.name] = child.value
        elif isinstance(self.children[child.name], list):
            self.children[child.name].append(child.value)
        else:
            self.children[child.name] = [self.children[child.name], child.value]
