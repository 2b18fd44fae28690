"""Templates, recipients and links for the tests of messages."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from recommendations.messaging.compilation.compiler import ContentSource
from recommendations.messaging.models import MessageTemplate, TemplateVersion
from recommendations.messaging.rendering import PreviewLinks
from recommendations.messaging.versions import create_template, publish_draft
from recommendations.serving.state.product_index import ProductCard
from tests.makers import NOON


def make_source(content: str, *, footer: str = "<mj-footer></mj-footer>", sections: str = "") -> str:
    """Return MJML with elements of a column."""
    column = f"<mj-section><mj-column>{content}</mj-column></mj-section>" if content else ""
    return f"<mjml><mj-body>{column}{sections}{footer}</mj-body></mjml>"


def make_template(source: str = "", *, key: str = "news", now: datetime = NOON, **fields: Any) -> MessageTemplate:
    """Return a template in English with a published version."""
    content = ContentSource("en", source or make_source("<mj-text>Hello</mj-text>"), fields.pop("subject", "Hello"))
    template = create_template(key=key, name=key.title(), contents={"en": content}, **fields)
    publish_draft(template=template, now=now)
    return template


def get_version(template: MessageTemplate) -> TemplateVersion:
    return template.versions.get()


def make_card(number: int, **fields: object) -> ProductCard:
    values: dict[str, object] = {
        "product_id": f"p{number}",
        "title": f"Product {number}",
        "price": Decimal("3.50"),
        "currency": "EUR",
        "image_url": f"https://images.example/{number}.png",
        "url": f"https://shop.example/p/{number}",
        "brand": "",
        "category": "Food",
    }
    return ProductCard(**{**values, **fields})  # type: ignore[arg-type]


class CountingLinks(PreviewLinks):
    """Links whose clicks name their target and label."""

    def __init__(self) -> None:
        super().__init__("https://mail.example")
        self.clicks: list[tuple[str, str]] = []

    def click(self, url: str, label: str) -> str:
        self.clicks.append((url, label))
        return f"https://mail.example/c/{len(self.clicks)}"

    def open_pixel(self) -> str:
        return "https://mail.example/o.gif"

    def unsubscribe(self) -> str:
        return "https://mail.example/u"

    def preferences(self) -> str:
        return "https://mail.example/p"

    def view_in_browser(self) -> str:
        return "https://mail.example/v"

    def product_image(self, row: str, index: int) -> str:
        return f"https://mail.example/i/{row}/{index}.png"

    def product_link(self, row: str, index: int) -> str:
        return f"https://mail.example/r/{row}/{index}"
