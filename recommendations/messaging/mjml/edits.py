"""Edits of a source that change only the element they mean; every other character stays as it was written."""

import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher

from recommendations.messaging.mjml.tree import Attribute, Element, SourceTree

NO_TAG = re.compile(r"<(?![a-zA-Z/!])")


class EditError(ValueError):
    """An edit of an element that does not exist, or to a place where it must not be."""


def find_element(tree: SourceTree, path: Sequence[int]) -> Element:
    """Return the element at a path of positions, from the body. Errors: EditError."""
    body = find_body(tree)
    for position in path:
        if not 0 <= position < len(body.children):
            raise EditError(f"There is no element {'.'.join(map(str, path))}.")
        body = body.children[position]
    return body


def find_body(tree: SourceTree) -> Element:
    """Return the body. Errors: EditError."""
    for element in tree.walk():
        if element.tag == "mj-body":
            return element
    raise EditError("The source has no <mj-body>.")


def get_source(tree: SourceTree, element: Element) -> str:
    return tree.source[element.start : element.end]


def set_attributes(tree: SourceTree, element: Element, values: Mapping[str, str]) -> str:
    """Return the source with these attributes of an element; an empty value removes one. Unchanged ones stay as they are."""
    changes: list[tuple[int, int, str]] = []
    added = ""
    for name, value in values.items():
        attribute = element.find_attribute(name)
        if attribute is None:
            added += f' {name}="{escape_attribute(value)}"' if value else ""
        elif attribute.value != value:
            changes.append(_change_attribute(tree.source, attribute, value))
    if added:
        end = element.attributes[-1].end if element.attributes else element.start + 1 + len(element.tag)
        changes.append((end, end, added))
    return apply_changes(tree.source, changes)


def _change_attribute(source: str, attribute: Attribute, value: str) -> tuple[int, int, str]:
    if not value:
        start = attribute.start
        while source[start - 1].isspace():
            start -= 1
        return start, attribute.end, ""
    quote = source[attribute.value_end : attribute.value_end + 1]
    if quote not in ('"', "'"):
        return attribute.start, attribute.end, f'{attribute.name}="{escape_attribute(value)}"'
    return attribute.value_start, attribute.value_end, escape_attribute(value, quote)


def escape_attribute(value: str, quote: str = '"') -> str:
    """Return a value as it is written between quotes; variables stay readable."""
    written = value.replace("&", "&amp;").replace("<", "&lt;")
    return written.replace('"', "&quot;") if quote == '"' else written.replace("'", "&#x27;")


def set_content(tree: SourceTree, element: Element, content: str) -> str:
    """Return the source with another content of an element. A “<” that begins no tag is escaped."""
    content = NO_TAG.sub("&lt;", content)
    if tree.get_content(element) == content and not element.is_self_closing:
        return tree.source
    if not element.is_self_closing:
        return apply_changes(tree.source, [(element.content_start, element.content_end, content)])
    head = tree.source[element.start : element.end].removesuffix("/>").rstrip()
    return apply_changes(tree.source, [(element.start, element.end, f"{head}>{content}</{element.tag}>")])


def reorder_child(tree: SourceTree, parent: Element, position: int, target: int) -> str:
    """Return the source with a child at another position; what is between the children stays where it is."""
    children = parent.children
    if not (0 <= position < len(children) and 0 <= target < len(children)):
        raise EditError("The element cannot be moved further.")
    order = list(children)
    order.insert(target, order.pop(position))
    changes = [
        (slot.start, slot.end, get_source(tree, child))
        for slot, child in zip(children, order, strict=True)
        if slot is not child
    ]
    return apply_changes(tree.source, changes)


def cut_element(tree: SourceTree, element: Element) -> tuple[str, str]:
    """Return the source without an element, and what was cut: the element and the white space before it."""
    start = element.start - len(get_space_before(tree.source, element.start))
    return tree.source[:start] + tree.source[element.end :], tree.source[start : element.end]


def get_space_before(source: str, offset: int) -> str:
    before = source[:offset]
    return before[len(before.rstrip()) :]


def insert_child(tree: SourceTree, parent: Element, position: int, written: str) -> str:
    """Return the source with a new child, indented as its neighbors. `written` that begins with white space is inserted as it is."""
    if parent.is_self_closing:
        return set_content(tree, parent, written)
    children = parent.children
    if not 0 <= position <= len(children):
        raise EditError("There is no such place.")
    if written[:1].isspace():
        offset = children[position - 1].end if position else parent.content_start
        return apply_changes(tree.source, [(offset, offset, written)])
    if children:
        neighbor = children[min(position, len(children) - 1)]
        space = get_space_before(tree.source, neighbor.start)
    else:
        space = f"{get_space_before(tree.source, parent.start)}  " if "\n" in tree.source else ""
    indented = written.replace("\n", f"\n{space.rpartition(chr(10))[2]}") if "\n" in space else written
    offset = children[position - 1].end if position else parent.content_start
    ending = ""
    if not children and not tree.source[parent.content_start : parent.content_end].strip():
        ending = (
            get_space_before(tree.source, parent.start) if not get_space_before(tree.source, parent.content_end) else ""
        )
    return apply_changes(tree.source, [(offset, offset, f"{space}{indented}{ending}")])


def replace_element(tree: SourceTree, element: Element, written: str) -> str:
    """Return the source with an element replaced by new markup."""
    return apply_changes(tree.source, [(element.start, element.end, written)])


def apply_changes(source: str, changes: Sequence[tuple[int, int, str]]) -> str:
    """Return the source with parts (start, end, replacement) replaced; they must not overlap."""
    for start, end, replacement in sorted(changes, reverse=True):
        source = source[:start] + replacement + source[end:]
    return source


def restore_line_endings(written: str, previous: str) -> str:
    """Return a text that came from a form, whose lines all end with CRLF, with the line endings of the previous text.

    Lines that did not change keep theirs; new ones get those of the line before, or of most lines.
    """
    if "\r\n" not in written and "\r" not in previous:
        return written
    if "\r" not in previous:
        return written.replace("\r\n", "\n")
    return _match_lines(written, previous)


def _match_lines(written: str, previous: str) -> str:
    old = previous.splitlines(keepends=True)
    old_bare = [line.rstrip("\r\n") for line in old]
    new = written.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    endings = [line[len(bare) :] for line, bare in zip(old, old_bare, strict=True)]
    usual = max(("\n", "\r\n", "\r"), key=endings.count)
    result = [usual] * len(new)
    for _kind, start, end, first, last in SequenceMatcher(None, old_bare, new, autojunk=False).get_opcodes():
        for offset in range(min(end - start, last - first)):  # a changed line keeps the ending of the one it replaces
            result[first + offset] = endings[start + offset] or usual
    lines = [line + ending for line, ending in zip(new[:-1], result, strict=False)]
    return "".join([*lines, new[-1]])
