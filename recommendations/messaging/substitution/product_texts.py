"""Products in the plain-text part."""

from dataclasses import dataclass

from catalog.product_links import resolve_product_url
from recommendations.messaging.substitution.context import RenderContext
from recommendations.messaging.substitution.fragments import Fragment, format_price


@dataclass(frozen=True, eq=False)
class ProductTextGetter:
    """The products of a row below its title, each with its price and link; empty if there are no products."""

    row: str
    title: Fragment

    def __call__(self, context: RenderContext) -> str:
        lines = []
        for card in context.choices.products.get(self.row, ()):
            price = "" if card.price is None else f": {format_price(card, context)}"
            url = resolve_product_url(card.url, card.product_id)
            link = f"\n  {context.get_click(url, f'{self.row}:{card.product_id}')}" if url else ""
            lines.append(f"- {card.title}{price}{link}")
        if not lines:
            return ""
        title = self.title.render(context)
        return "\n".join([f"{title}\n", *lines] if title else lines)
