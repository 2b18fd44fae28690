"""Texts with slots: what a compiled message consists of. Rendering one is a copy, a few calls and a join."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from html import escape
from urllib.parse import quote

from django.utils.translation import gettext as _
from django.utils.translation import override

from catalog.placeholder_images.png import choose_mail_image_url
from catalog.product_links import resolve_product_url
from config.foundation.number_formats import format_money
from recommendations.messaging.substitution.context import RenderContext
from recommendations.serving.state.product_index import ProductCard

type Getter = Callable[[RenderContext], str]
SAFE_SCHEMES = re.compile(r"(?:https?|mailto|tel):", re.IGNORECASE)


@dataclass
class Fragment:
    """A text whose `slots` (position in `parts`, number of the getter) are filled for each recipient."""

    parts: list[str] = field(default_factory=list)
    slots: list[tuple[int, int]] = field(default_factory=list)
    getters: list[Getter] = field(default_factory=list)

    def render(self, context: RenderContext) -> str:
        values = [get(context) for get in self.getters]
        parts = self.parts.copy()
        for position, number in self.slots:
            parts[position] = values[number]
        return "".join(parts)

    def add(self, part: str | Getter) -> None:
        """Append a text or a slot; equal getters are called once."""
        if isinstance(part, str):
            if part:
                self.parts.append(part)
            return
        if part not in self.getters:
            self.getters.append(part)
        self.slots.append((len(self.parts), self.getters.index(part)))
        self.parts.append("")

    @property
    def is_static(self) -> bool:
        return not self.slots


def escape_html(get: Getter) -> Getter:
    """Return a getter of the text escaped for HTML and for attributes in double quotes."""
    return lambda context: escape(get(context))


def escape_url_part(get: Getter) -> Getter:
    """Return a getter of the text escaped for a part of a URL."""
    return lambda context: quote(get(context), safe="")


@dataclass(frozen=True, eq=False)
class TargetGetter:
    """The target of a link or image whose first part may be a variable, which must then be a safe URL itself."""

    target: Fragment
    is_whole: bool

    def __call__(self, context: RenderContext) -> str:
        url = self.target.render(context).strip()
        if self.is_whole and not SAFE_SCHEMES.match(url) and not url.startswith("#"):
            return context.links.absolute(url) if url.startswith("/") else ""
        return url


@dataclass(frozen=True, eq=False)
class LinkGetter:
    """A link that is counted; targets such as mailto: and links of the message itself are not."""

    target: TargetGetter
    label: str

    def __call__(self, context: RenderContext) -> str:
        url = self.target(context)
        return context.get_click(url, self.label) if url[:4].lower() == "http" else url


@dataclass(frozen=True, eq=False)
class CellGetter:
    """A value of the product at a position of the section that is rendered."""

    row: str
    cell: int
    name: str
    is_chosen_at_open: bool = False

    def __call__(self, context: RenderContext) -> str:
        card = context.cards[self.cell]
        if self.name == "image":
            if self.is_chosen_at_open and (url := context.links.product_image(self.row, context.first + self.cell)):
                return url
            return get_image_url(card, context)
        if self.name == "link":
            url = resolve_product_url(card.url, card.product_id)
            if self.is_chosen_at_open and (link := context.links.product_link(self.row, context.first + self.cell)):
                return link
            return context.get_click(url, f"{self.row}:{card.product_id}") if url else ""
        if self.name == "price":
            return format_price(card, context)
        if self.is_chosen_at_open:  # the alternative text of an image whose product is not known yet
            return translate_open_text(context.language)
        return card.title


@lru_cache(maxsize=16)
def translate_open_text(language: str) -> str:
    with override(language):
        return _("A product picked for you")


def format_price(card: ProductCard, context: RenderContext) -> str:
    return format_price_text(card.price, card.currency, context.language)


@lru_cache(maxsize=10_000)
def format_price_text(price: Decimal | None, currency: str, language: str) -> str:
    with override(language):
        return "" if price is None else format_money(price, currency)


def get_image_url(card: ProductCard, context: RenderContext) -> str:
    url = choose_mail_image_url(image_url=card.image_url, category=card.category, title=card.title)
    return context.links.absolute(url) if url.startswith("/") else url


@dataclass(frozen=True, eq=False)
class RowGetter:
    """The products of a row: the heading, then sections of up to `columns` products; empty if there are no products."""

    row: str
    heading: Fragment
    sections: dict[int, Fragment]
    columns: int

    def __call__(self, context: RenderContext) -> str:
        cards = context.choices.products.get(self.row, ())
        if not cards:
            return ""
        parts = [self.heading.render(context)]
        for first in range(0, len(cards), self.columns):
            context.cards = cards[first : first + self.columns]
            context.first = first
            parts.append(self.sections[len(context.cards)].render(context))
        context.cards = ()
        return "".join(parts)
