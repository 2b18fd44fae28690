"""Strict validation of MJML: the compiler ignores what it does not know, so a misspelled tag would silently disappear."""

from collections.abc import Iterator
from difflib import get_close_matches

from django.utils.translation import gettext as _

from recommendations.messaging.mjml.problems import SourceProblem, make_problem
from recommendations.messaging.mjml.schema import (
    CHILDREN,
    REQUIRED,
    TEXT_TAGS,
    get_attributes,
    list_parents,
    list_tags,
)
from recommendations.messaging.mjml.tree import Element, SourceTree

UNSAFE_TAGS = frozenset({"script", "iframe", "object", "embed", "form", "input", "base"})


def validate_tree(tree: SourceTree) -> list[SourceProblem]:
    """Return the problems of syntax, tags, attributes and nesting, in the order of the source."""
    problems = [*tree.problems, *_check_roots(tree), *_check_texts(tree)]
    for element in tree.walk():
        problems += _check_element(tree, element)
    return sorted(problems)


def _check_roots(tree: SourceTree) -> Iterator[SourceProblem]:
    if [root.tag for root in tree.roots] != ["mjml"]:
        yield make_problem(
            tree.source, 0, _("A message is one <mjml> element. Put everything between <mjml> and </mjml>.")
        )
        return
    bodies = [child for child in tree.roots[0].children if child.tag == "mj-body"]
    if len(bodies) != 1:
        yield make_problem(
            tree.source,
            tree.roots[0].start,
            _("<mjml> has %(count)d <mj-body> elements. It must have one.") % {"count": len(bodies)},
        )


def _check_texts(tree: SourceTree) -> Iterator[SourceProblem]:
    for start, end, element in tree.texts:
        first = start + len(tree.source[start:end]) - len(tree.source[start:end].lstrip())
        if element is None:
            yield make_problem(tree.source, first, _("Text outside of <mjml>. Put it into an <mj-text> element."))
        elif element.tag in CHILDREN:
            yield make_problem(
                tree.source,
                first,
                _("<%(tag)s> cannot contain text. Put the text into an <mj-text> element.") % {"tag": element.tag},
            )


def _check_element(tree: SourceTree, element: Element) -> Iterator[SourceProblem]:
    parent = element.parent
    in_text = parent is not None and not parent.tag.startswith("mj-") and parent.tag != "mjml"
    in_text = in_text or (parent is not None and parent.tag in TEXT_TAGS)
    if in_text and not element.tag.startswith("mj-"):
        if element.tag in UNSAFE_TAGS:
            yield make_problem(
                tree.source, element.start, _("<%(tag)s> does not work in email. Remove it.") % {"tag": element.tag}
            )
        return
    known = get_attributes(element.tag)
    if known is None:
        yield make_problem(tree.source, element.start, _describe_unknown_tag(element))
        return
    if parent is not None and element.tag not in CHILDREN.get(parent.tag, frozenset()):
        yield make_problem(tree.source, element.start, _describe_nesting(element, parent))
    if parent is not None and parent.tag == "mj-attributes":
        known |= frozenset({"name"})
    for attribute in element.attributes:
        if attribute.name not in known:
            yield make_problem(
                tree.source, attribute.start, _describe_unknown_attribute(element, attribute.name, known)
            )
    for name in REQUIRED.get(element.tag, ()):
        if not element.get(name) and (parent is None or parent.tag != "mj-attributes"):
            message = _('<%(tag)s> has no %(name)s. Add %(name)s="…".') % {"tag": element.tag, "name": name}
            yield make_problem(tree.source, element.start, message)


def _describe_unknown_tag(element: Element) -> str:
    close = get_close_matches(element.tag, list_tags(), n=1)
    if element.tag == "mj-include":
        return _("<mj-include> would read a file on the server. Paste the content of the file instead.")
    if close:
        return _("Unknown tag <%(tag)s>. Did you mean <%(close)s>?") % {"tag": element.tag, "close": close[0]}
    return _("Unknown tag <%(tag)s>. Use a tag of MJML, and write HTML inside <mj-text> or <mj-raw>.") % {
        "tag": element.tag
    }


def _describe_nesting(element: Element, parent: Element) -> str:
    return _("<%(tag)s> must not be inside <%(parent)s>. Put it into %(valid)s.") % {
        "tag": element.tag,
        "parent": parent.tag,
        "valid": ", ".join(f"<{tag}>" for tag in list_parents(element.tag)) or "-",
    }


def _describe_unknown_attribute(element: Element, name: str, known: frozenset[str]) -> str:
    close = get_close_matches(name, known, n=1)
    if close:
        return _("<%(tag)s> has no attribute %(name)s. Did you mean %(close)s?") % {
            "tag": element.tag,
            "name": name,
            "close": close[0],
        }
    return _("<%(tag)s> has no attribute %(name)s. Remove it.") % {"tag": element.tag, "name": name}
