"""What the editor inserts for a new block."""

from django.utils.translation import gettext as _

COLUMN_BLOCKS = ("mj-text", "mj-image", "mj-button", "mj-coupon", "mj-divider", "mj-spacer")
BODY_BLOCKS = ("mj-section", "columns-2", "columns-3", "mj-products", "mj-footer")


def write_block(tag: str, *, pool: str = "") -> str:
    """Return the MJML of a new block; "columns-2" and "columns-3" are sections. Errors: ValueError for an unknown one."""
    text = f"<mj-text>{_('Write your text here.')}</mj-text>"
    column = f"  <mj-column>\n    {text}\n  </mj-column>\n"
    written = {
        "mj-text": text,
        "mj-image": '<mj-image src="https://" alt="" />',
        "mj-button": f'<mj-button href="https://" background-color="{{{{ shop.color }}}}">{_("Shop now")}</mj-button>',
        "mj-coupon": f'<mj-coupon pool="{pool}" />',
        "mj-divider": '<mj-divider border-width="1px" border-color="#e5e7eb" />',
        "mj-spacer": '<mj-spacer height="24px" />',
        "mj-section": f'<mj-section background-color="#ffffff" css-class="msg-card">\n{column}</mj-section>',
        "columns-2": f'<mj-section background-color="#ffffff" css-class="msg-card">\n{column * 2}</mj-section>',
        "columns-3": f'<mj-section background-color="#ffffff" css-class="msg-card">\n{column * 3}</mj-section>',
        "mj-products": (
            f'<mj-products placement="for-you" n="3" columns="3" title="{_("Picked for you")}" button="{_("View")}"'
            ' background-color="#ffffff" />'
        ),
        "mj-footer": "<mj-footer></mj-footer>",
    }
    if tag not in written:
        raise ValueError(f"Unknown block {tag!r}; valid: {', '.join(written)}.")
    return written[tag]
