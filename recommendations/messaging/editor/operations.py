"""The operations of the block editor on a source: each returns a new source, and what undoes a removal."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _

from recommendations.messaging.editor.blocks import is_editable, read_fields, to_markup
from recommendations.messaging.editor.fields import CONTENT, BlockFieldKind
from recommendations.messaging.editor.new_blocks import write_block
from recommendations.messaging.mjml.edits import (
    EditError,
    cut_element,
    find_element,
    get_source,
    insert_child,
    reorder_child,
    replace_element,
    set_attributes,
    set_content,
)
from recommendations.messaging.mjml.schema import CHILDREN
from recommendations.messaging.mjml.tree import Element, SourceTree, parse_source


@dataclass(frozen=True)
class EditResult:
    """A source after an operation. removed: what `insert_source` at `path` puts back."""

    source: str
    path: str = ""
    removed: str = ""


def parse_path(path: str) -> list[int]:
    """Return the positions of a path such as "0.1". Errors: EditError."""
    parts = path.split(".") if path else []
    if not all(part.isascii() and part.isdigit() and len(part) < 6 for part in parts):
        raise EditError(_("The place “%(path)s” does not exist. Reload the page.") % {"path": path[:50]})
    return [int(part) for part in parts]


def edit_block(source: str, path: str, values: Mapping[str, str]) -> EditResult:
    """Write the fields of a block that differ from what is there."""
    tree = parse_source(source)
    element = find_element(tree, parse_path(path))
    shown = {item.field.name: item for item in read_fields(tree, element)}
    changed = {
        name: value.replace("\r\n", "\n")
        for name, value in values.items()
        if name in shown and value.replace("\r\n", "\n") != shown[name].value
    }
    if not is_editable(element):
        return EditResult(replace_element(tree, element, changed[CONTENT]) if changed else source, path)
    content = changed.pop(CONTENT, None)
    if content is not None:
        is_long = shown[CONTENT].field.kind == BlockFieldKind.LONG_TEXT
        source = set_content(tree, element, to_markup(content) if is_long else content)
        tree = parse_source(source)
        element = find_element(tree, parse_path(path))
    return EditResult(set_attributes(tree, element, changed), path)


def add_block(source: str, path: str, tag: str, *, pool: str = "") -> EditResult:
    """Insert a new block at a path."""
    try:
        written = write_block(tag, pool=pool)
    except ValueError as error:
        raise EditError(str(error)) from error
    return insert_source(source, path, written)


def insert_source(source: str, path: str, written: str) -> EditResult:
    """Insert MJML at a path, where it must be allowed."""
    tree = parse_source(source)
    *parents, position = parse_path(path) or [0]
    parent = find_element(tree, parents)
    _check_nesting(parent, parse_source(written))
    return EditResult(insert_child(tree, parent, position, written), path)


def remove_block(source: str, path: str) -> EditResult:
    tree = parse_source(source)
    remaining, removed = cut_element(tree, find_element(tree, parse_path(path)))
    return EditResult(remaining, path, removed)


def duplicate_block(source: str, path: str) -> EditResult:
    tree = parse_source(source)
    positions = parse_path(path)
    element = find_element(tree, positions)
    _rest, written = cut_element(tree, element)
    parent = find_element(tree, positions[:-1])
    return EditResult(
        insert_child(tree, parent, positions[-1] + 1, written if written[:1].isspace() else get_source(tree, element)),
        path,
    )


def move_block(source: str, path: str, target: str) -> EditResult:
    """Move a block to the place that another has now, also in another column."""
    tree = parse_source(source)
    positions, targets = parse_path(path), parse_path(target)
    if not positions or not targets or targets[: len(positions)] == positions:
        raise EditError(_("A block cannot be moved into itself."))
    parent, element = find_element(tree, positions[:-1]), find_element(tree, positions)
    if positions[:-1] == targets[:-1]:
        place = max(0, min(targets[-1], len(parent.children) - 1))
        return EditResult(
            reorder_child(tree, parent, positions[-1], place), ".".join(map(str, [*positions[:-1], place]))
        )
    _check_nesting(find_element(tree, targets[:-1]), parse_source(get_source(tree, element)))
    remaining, _removed = cut_element(tree, element)
    targets = shift_path(targets, positions)
    tree_after = parse_source(remaining)
    inserted = insert_child(tree_after, find_element(tree_after, targets[:-1]), targets[-1], get_source(tree, element))
    return EditResult(inserted, ".".join(map(str, targets)))


def shift_path(path: list[int], removed: list[int]) -> list[int]:
    """Return a path as it is after the element at another path was cut."""
    depth = len(removed) - 1
    if len(path) > depth and path[:depth] == removed[:depth] and path[depth] > removed[depth]:
        return [*path[:depth], path[depth] - 1, *path[depth + 1 :]]
    return path


def _check_nesting(parent: Element, written: SourceTree) -> None:
    for element in written.roots:
        if element.tag not in CHILDREN.get(parent.tag, frozenset()):
            raise EditError(
                _("<%(tag)s> cannot be put into <%(parent)s>. Choose another place.")
                % {"tag": element.tag, "parent": parent.tag}
            )
