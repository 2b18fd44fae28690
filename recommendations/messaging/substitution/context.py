"""The data that a message is rendered with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from django.urls import reverse

from config.foundation.shop.profile import ShopProfile
from recommendations.messaging.substitution.choices import MessageChoices
from recommendations.messaging.substitution.links import LinkBuilder
from recommendations.messaging.substitution.recipients import Recipient
from recommendations.serving.state.product_index import ProductCard

DEFAULT_COLOR = "#117d5c"


@dataclass
class RenderContext:
    """One rendering. `cards`: the products of the section that is being rendered; `first`: the position of the first of them."""

    recipient: Recipient
    choices: MessageChoices
    links: LinkBuilder
    language: str
    shop: ShopProfile
    cards: Sequence[ProductCard] = ()
    first: int = 0
    clicks: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def locale(self) -> str:
        """Babel's name of the language."""
        return "zh_Hans" if self.language.startswith("zh") else "en"

    @cached_property
    def shop_values(self) -> Mapping[str, str]:
        shop = self.shop
        logo = f"{reverse('shop_logo')}?v={shop.logo_version}" if shop.logo_version else ""
        return {
            "name": shop.name,
            "color": shop.color or DEFAULT_COLOR,
            "postal_address": " · ".join(shop.postal_address.split("\n")).strip(),
            "reply_to": shop.reply_to or shop.sender_address,
            "currency": shop.currency,
            "logo_url": self.links.absolute(logo) if logo else "",
        }

    def get_click(self, url: str, label: str) -> str:
        """Return the counted link to a URL; the HTML and the text part share it."""
        key = (url, label)
        link = self.clicks.get(key)
        if link is None:
            link = self.clicks[key] = self.links.click(url, label)
        return link
