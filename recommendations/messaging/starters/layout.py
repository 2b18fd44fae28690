"""The layout of the ready-made templates: one column on a card in the colors of the shop."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

HEAD = """<mjml>
  <mj-head>
    <mj-attributes>
      <mj-all font-family="-apple-system, 'Segoe UI', Roboto, 'PingFang SC', 'Microsoft YaHei', Arial, sans-serif" />
      <mj-text css-class="msg-text" color="#1f2937" font-size="16px" line-height="1.6" />
      <mj-button background-color="{{ shop.color }}" border-radius="8px" font-size="16px" font-weight="600" inner-padding="14px 28px" />
    </mj-attributes>
  </mj-head>
  <mj-body background-color="#f3f4f6" css-class="msg-canvas">
    <mj-section padding="24px 0 12px">
      <mj-column>
        <mj-text css-class="msg-muted" align="center" font-size="18px" font-weight="700" color="{{ shop.color }}">{{ shop.name }}</mj-text>
      </mj-column>
    </mj-section>
"""
EVENT_PRODUCT = 'placement="event" n="1" columns="1" button="{button}" fallback="hide"'
# for messages whose text would be wrong without the product, such as "it is available again"
NEEDED_EVENT_PRODUCT = EVENT_PRODUCT.replace('fallback="hide"', 'fallback="skip"')
NEEDED_EVENT_PRODUCTS = (
    'placement="event" n="3" columns="3" button="{button}" fallback="skip"'  # the products of an order
)
END = """    <mj-footer>%s</mj-footer>
  </mj-body>
</mjml>
"""


@dataclass(frozen=True)
class StarterText:
    """The text of a ready-made template in one language.

    paragraphs: with variables; written as HTML. button: label and target; none without a label. before, products: attributes of
    `<mj-products>` blocks, or ""; `before` is the product that the message is about.
    """

    subject: str
    preheader: str
    heading: str
    paragraphs: Sequence[str]
    button: tuple[str, str] = ("", "")
    before: str = ""
    products: str = ""
    reason: str = ""


def build_source(text: StarterText) -> str:
    """Return the MJML of a ready-made template."""
    parts = [f'        <mj-text font-size="24px" line-height="1.3" font-weight="700">{text.heading}</mj-text>\n']
    parts += [f"        <mj-text>{paragraph}</mj-text>\n" for paragraph in text.paragraphs]
    if text.button[0]:
        label, target = text.button
        parts.append(f'        <mj-button href="{escape(target)}">{label}</mj-button>\n')
    radius = "12px 12px 0 0" if text.before or text.products else "12px"  # rows of products continue the card
    card = f'    <mj-section background-color="#ffffff" border-radius="{radius}" css-class="msg-card" padding="24px 8px">\n      <mj-column>\n'
    rows = "".join(
        f'    <mj-products {attributes} background-color="#ffffff" />\n'
        for attributes in (text.before, text.products)
        if attributes
    )
    return f"{HEAD}{card}{''.join(parts)}      </mj-column>\n    </mj-section>\n{rows}{END % text.reason}"
