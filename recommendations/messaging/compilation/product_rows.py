"""The block `<mj-products>`: its settings, and its expansion into columns of MJML with placeholders."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from recommendations.engine.placements import CATEGORIES, PLACEMENTS
from recommendations.messaging.mjml.problems import SourceProblem, make_problem
from recommendations.messaging.mjml.tree import Element, SourceTree
from recommendations.serving.expressions.expression import ExpressionError
from recommendations.serving.expressions.parsing import parse_filter

MAX_PRODUCTS = 12
MAX_COLUMNS = 4
EVENT = "event"  # the product that triggered the message
AT_SEND, AT_OPEN = "send", "open"
FALLBACKS = ("popular", "hide", "skip")


@dataclass(frozen=True)
class MessageProductRow:
    """A row of recommended products.

    placement: one of the recommendation placements, or "event" for the product that triggered the message. Placements that start from
    products, such as "similar", start from that product. key: names the row in `MessageChoices.products`. filter: an expression over products, or "".
    choose: "send" or "open". fallback: without products, "popular" shows popular ones without the filter, "hide" leaves the row out,
    and "skip" sends no message.
    """

    key: str
    placement: str = "for-you"
    n: int = 3
    columns: int = 3
    filter: str = ""
    title: str = ""
    button: str = ""
    shows_price: bool = True
    choose: str = AT_SEND
    fallback: str = "popular"


def read_row(element: Element, number: int) -> MessageProductRow:
    """Return the settings of a block. Wrong values, which `check_row` reports, are replaced by the defaults."""
    n = _read_number(element, "n", 3, MAX_PRODUCTS)
    return MessageProductRow(
        key=element.get("key") or f"row-{number}",
        placement=element.get("placement", "for-you"),
        n=n,
        columns=_read_number(element, "columns", min(n, 3), MAX_COLUMNS),
        filter=element.get("filter"),
        title=element.get("title"),
        button=element.get("button"),
        shows_price=element.get("price", "true") != "false",
        choose=element.get("choose", AT_SEND),
        fallback=element.get("fallback", "popular"),
    )


def _read_number(element: Element, name: str, default: int, most: int) -> int:
    value = element.get(name)
    return int(value) if _is_number(value, most) else default


def _is_number(value: str, most: int) -> bool:
    """Return whether a text is a number from 1 to ``most``. Python refuses to read one of thousands of digits."""
    return value.isascii() and value.isdigit() and len(value) < 10 and 1 <= int(value) <= most


def check_row(tree: SourceTree, element: Element) -> list[SourceProblem]:
    """Return the problems of the settings of a block."""
    problems = []
    placements = [EVENT, *(name for name in PLACEMENTS if name != CATEGORIES)]
    valid = {"placement": placements, "choose": [AT_SEND, AT_OPEN], "fallback": FALLBACKS, "price": ["true", "false"]}
    for attribute in element.attributes:
        options = valid.get(attribute.name)
        if options is not None and attribute.value not in options:
            message = _("%(name)s is “%(value)s”; valid: %(valid)s.")
            details = {"name": attribute.name, "value": attribute.value, "valid": ", ".join(options)}
            problems.append(make_problem(tree.source, attribute.start, message % details))
        most = {"n": MAX_PRODUCTS, "columns": MAX_COLUMNS}.get(attribute.name)
        if most is not None and not _is_number(attribute.value, most):
            message = _("%(name)s is “%(value)s”; valid: 1 to %(max)s.")
            details = {"name": attribute.name, "value": attribute.value[:100], "max": str(most)}
            problems.append(make_problem(tree.source, attribute.start, message % details))
        if attribute.name == "filter" and attribute.value:
            try:
                parse_filter(attribute.value)
            except ExpressionError as error:
                problems.append(make_problem(tree.source, attribute.start, str(error)))
    return problems


def expand_cell(row: MessageProductRow, cell: int, values: dict[str, str], *, color: str, button: str) -> str:
    """Return the column of one product; `values` has the placeholders of its image, title, price and link."""
    price = ""
    if row.shows_price and row.choose == AT_SEND:
        price = f'<mj-text css-class="msg-muted" align="center" padding="0 8px" font-size="14px" color="#6b7280">{values["price"]}</mj-text>'
    title = ""
    if row.choose == AT_SEND:
        title = (
            '<mj-text css-class="msg-text" align="center" padding="8px 8px 2px" font-size="15px" line-height="1.35" color="#1f2937">'
            f'<a href="{values["link"]}" class="msg-link" style="color:inherit;text-decoration:none">{values["title"]}</a></mj-text>'
        )
    if button:
        button = (
            f'<mj-button href="{values["link"]}" background-color="{color}" border-radius="6px" font-size="14px" inner-padding="10px 18px"'
            f' padding="10px 8px">{button}</mj-button>'
        )
    return (
        f'<mj-column padding="0 4px 12px"><mj-image href="{values["link"]}" src="{values["image"]}" alt="{values["title"]}"'
        f' border-radius="8px" padding="0 4px" width="260px"></mj-image>{title}{price}{button}</mj-column>'
    )
