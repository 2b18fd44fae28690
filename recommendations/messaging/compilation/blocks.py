"""The project's own blocks, expanded into standard MJML before it is compiled."""

from dataclasses import dataclass, field
from html import escape

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from recommendations.messaging.compilation.product_rows import MessageProductRow, expand_cell, read_row
from recommendations.messaging.compilation.slots import SlotTable
from recommendations.messaging.mjml.schema import CUSTOM_TAGS
from recommendations.messaging.mjml.tree import Element, SourceTree
from recommendations.messaging.substitution.fragments import CellGetter
from recommendations.messaging.substitution.variables import build_getter, parse_variable


@dataclass
class ExpandedSource:
    """MJML with placeholders instead of the project's own blocks, and what the blocks need."""

    source: str
    rows: list[MessageProductRow] = field(default_factory=list)
    pools: list[str] = field(default_factory=list)
    has_footer: bool = False


class BlockExpander:
    """Expands the blocks of one source; everything else is copied as it is."""

    def __init__(self, tree: SourceTree, slots: SlotTable, *, is_transactional: bool) -> None:
        self.tree, self.slots, self.is_transactional = tree, slots, is_transactional
        self.result = ExpandedSource("")

    def expand(self) -> ExpandedSource:
        parts, end, inside = [], 0, -1
        for element in self.tree.walk():
            if element.tag not in CUSTOM_TAGS or element.start < inside:
                continue
            parts += [self.tree.source[end : element.start], self._expand_element(element)]
            end = inside = element.end
        self.result.source = "".join([*parts, self.tree.source[end:]])
        return self.result

    def _expand_element(self, element: Element) -> str:
        if element.tag == "mj-products":
            return self._expand_products(element)
        if element.tag == "mj-coupon":
            return self._expand_coupon(element)
        self.result.has_footer = True
        return self._expand_footer(element)

    def _expand_products(self, element: Element) -> str:
        row = read_row(element, len(self.result.rows) + 1)
        self.result.rows.append(row)
        number = len(self.result.rows) - 1
        marker = f"{self.slots.nonce}row{number}"
        background, padding = element.get("background-color"), element.get("padding", "8px 16px")
        section = f'<mj-section css-class="msg-card" padding="{escape(padding)}"'
        section += f' background-color="{escape(background)}">' if background else ">"
        color = element.get("button-color") or "{{ shop.color }}"
        variants = [f"<mj-raw>{marker}begin</mj-raw>"]
        if row.title:
            text = '<mj-text css-class="msg-text" font-size="20px" font-weight="700" align="center" color="#111827">'
            variants.append(
                f"{section}<mj-column>{text}{escape(self.slots.replace_variables(row.title))}</mj-text></mj-column></mj-section>"
            )
        for count in range(1, row.columns + 1):
            cells = "".join(self._expand_cell(row, cell, color) for cell in range(count))
            variants.append(f"<mj-raw>{marker}with{count}z</mj-raw>{section}{cells}</mj-section>")
        return "".join([*variants, f"<mj-raw>{marker}end</mj-raw>"])

    def _expand_cell(self, row: MessageProductRow, cell: int, color: str) -> str:
        is_chosen_at_open = row.choose == "open"
        values = {
            name: self.slots.add(CellGetter(row.key, cell, name, is_chosen_at_open))
            for name in ("image", "title", "price", "link")
        }
        return expand_cell(row, cell, values, color=color, button=escape(self.slots.replace_variables(row.button)))

    def _expand_coupon(self, element: Element) -> str:
        pool = element.get("pool")
        self.result.pools.append(pool)
        code = self.slots.add_variable(parse_variable(f"coupon.{pool}"))
        color = element.get("color") or "{{ shop.color }}"
        style = (
            f"display:inline-block;border:2px dashed {color};border-radius:8px;padding:12px 24px;font-size:20px;font-weight:700;"
            f"letter-spacing:2px;color:{color}"
        )
        return f'<mj-text align="{escape(element.get("align", "center"))}"><span class="msg-coupon" style="{style}">{code}</span></mj-text>'

    def _expand_footer(self, element: Element) -> str:
        links = [("links.view_in_browser", _("View in browser"))]
        if not self.is_transactional:
            links = [
                ("links.unsubscribe", _("Unsubscribe")),
                ("links.preferences", pgettext("link", "Preferences")),
                *links,
            ]
        style = "color:inherit;text-decoration:underline"
        # getters instead of variables: the links of the footer are not counted, unlike a button that leads to the preferences
        targets = [self.slots.add(build_getter(parse_variable(name))) for name, _label in links]
        joined = " · ".join(
            f'<a href="{target}" style="{style}">{label}</a>'
            for target, (_name, label) in zip(targets, links, strict=True)
        )
        content = self.tree.get_content(element).strip()
        lines = [content, "{{ shop.name }} · {{ shop.postal_address }}", joined]
        text = "<br/>".join(line for line in lines if line)
        attributes = {"align": "center", "font-size": "12px", "color": "#6b7280"}
        attributes |= {name: element.get(name) for name in attributes if element.get(name)}
        written = " ".join(f'{name}="{escape(value)}"' for name, value in attributes.items())
        background = element.get("background-color")
        section = f'<mj-section background-color="{escape(background)}">' if background else "<mj-section>"
        return f'{section}<mj-column><mj-text css-class="msg-muted" line-height="1.6" {written}>{text}</mj-text></mj-column></mj-section>'
