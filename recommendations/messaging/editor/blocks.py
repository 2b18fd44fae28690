"""The blocks of a source as the editor shows them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape

from recommendations.messaging.editor.fields import (
    CONTENT,
    CUSTOM,
    PLACEMENT_CHOICES,
    BlockField,
    BlockFieldKind,
    BlockKind,
    get_kind,
)
from recommendations.messaging.mjml.edits import find_body, get_source
from recommendations.messaging.mjml.tree import Element, SourceTree

BREAK = re.compile(r"<br\s*/?>\n?", re.IGNORECASE)
TAG = re.compile(r"<[^<>]*>")
MAX_SUMMARY = 90
CONTAINERS = ("mj-section", "mj-column")


@dataclass
class FieldValue:
    """A field with its value in a block."""

    field: BlockField
    value: str

    @property
    def rows(self) -> int:
        return min(12, max(3, self.value.count("\n") + len(self.value) // 60 + 1))


@dataclass
class EditorBlock:
    """A block with its path from the body, such as "0.0.2", and the blocks inside."""

    path: str
    kind: BlockKind
    tag: str
    summary: str
    children: list["EditorBlock"] = field(default_factory=list)
    is_first: bool = False
    is_last: bool = False

    @property
    def is_container(self) -> bool:
        return self.tag in CONTAINERS

    @property
    def child_count(self) -> int:
        return len(self.children)

    @property
    def next_path(self) -> str:
        """The path of the place after the block."""
        parent, _point, position = self.path.rpartition(".")
        return f"{parent}.{int(position) + 1}" if parent else str(int(position) + 1)


def build_blocks(tree: SourceTree) -> list[EditorBlock]:
    """Return the blocks of the body. Errors: EditError without a body."""
    return list(_list_children(tree, find_body(tree), ""))


def _list_children(tree: SourceTree, parent: Element, prefix: str) -> Iterator[EditorBlock]:
    for position, element in enumerate(parent.children):
        path = f"{prefix}{position}"
        is_known = is_editable(element)
        block = EditorBlock(
            path=path,
            kind=get_kind(element) if is_known else CUSTOM,
            tag=element.tag if is_known else "",
            summary=summarize(tree, element),
            is_first=position == 0,
            is_last=position == len(parent.children) - 1,
        )
        if is_known and element.tag in CONTAINERS:
            block.children = list(_list_children(tree, element, f"{path}."))
        yield block


def is_editable(element: Element) -> bool:
    """Return whether the editor understands an element where it is; a section with a group is one custom block."""
    if get_kind(element) is CUSTOM:
        return False
    if element.tag == "mj-section":
        return all(child.tag == "mj-column" for child in element.children)
    return True


def describe_placement(element: Element) -> str:
    placement = element.get("placement", "for-you")
    return str(dict(PLACEMENT_CHOICES).get(placement, placement))


def summarize(tree: SourceTree, element: Element) -> str:
    """Return a short text that tells one block from another."""
    if element.tag == "mj-image":
        text = element.get("alt") or element.get("src")
    elif element.tag == "mj-products":
        text = " · ".join(filter(None, [element.get("title"), describe_placement(element), element.get("n", "3")]))
    elif element.tag == "mj-coupon":
        text = element.get("pool")
    elif element.tag in CONTAINERS:
        text = ""
    elif get_kind(element) is CUSTOM:
        text = f"<{element.tag}>"
    else:
        text = unescape(TAG.sub(" ", tree.get_content(element)))
    text = " ".join(text.split())
    return text if len(text) <= MAX_SUMMARY else f"{text[:MAX_SUMMARY]}…"


def read_fields(tree: SourceTree, element: Element) -> list[FieldValue]:
    """Return the fields of a block with their values; those of a custom block are its source."""
    if not is_editable(element):
        return [FieldValue(CUSTOM.fields[0], get_source(tree, element))]
    return [FieldValue(item, read_value(tree, element, item)) for item in get_kind(element).fields]


def read_value(tree: SourceTree, element: Element, item: BlockField) -> str:
    if item.name != CONTENT:
        return element.get(item.name) or item.default
    content = tree.get_content(element).strip()
    return to_plain(content) if item.kind == BlockFieldKind.LONG_TEXT and is_plain(content) else content


def is_plain(content: str) -> bool:
    """Return whether a content has no markup but line breaks, so that it is edited as text."""
    return "<" not in BREAK.sub("", content) and "&" not in content and "\n" not in BREAK.sub("", content)


def to_plain(content: str) -> str:
    return BREAK.sub("\n", content)


def to_markup(text: str) -> str:
    """Return a text from the editor as content: lines become line breaks, unless it is HTML."""
    text = text.replace("\r\n", "\n")
    return text if re.search(r"<[a-zA-Z/]", text) else text.replace("\n", "<br />")
