"""The fields of each kind of block: which attribute or content they edit."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from recommendations.engine.placements import CATEGORIES, PLACEMENTS
from recommendations.messaging.compilation.product_rows import AT_OPEN, AT_SEND, EVENT, FALLBACKS
from recommendations.messaging.mjml.tree import Element
from recommendations.placement_labels import RECOMMENDATION_PLACEMENT_LABELS

CONTENT = "content"  # the name of the field for what is between the tags


class BlockFieldKind(StrEnum):
    """How a field is edited."""

    TEXT = "text"
    LONG_TEXT = "long_text"
    URL = "url"
    COLOR = "color"
    NUMBER = "number"
    CHOICE = "choice"
    POOL = "pool"


@dataclass(frozen=True)
class BlockField:
    """A field of a block. name: an attribute, or "content"."""

    name: str
    label: str | Promise
    kind: BlockFieldKind = BlockFieldKind.TEXT
    help: str | Promise = ""
    choices: Sequence[tuple[str, str | Promise]] = ()
    default: str = ""


@dataclass(frozen=True)
class BlockKind:
    """A kind of block that the editor knows."""

    tag: str
    label: str | Promise
    icon: str
    fields: tuple[BlockField, ...] = field(default=())


ALIGN = BlockField(
    "align",
    _("Alignment"),
    BlockFieldKind.CHOICE,
    choices=(("left", _("left")), ("center", _("center")), ("right", _("right"))),
)
COLOR = BlockField("color", _("Text color"), BlockFieldKind.COLOR)
BACKGROUND = BlockField("background-color", _("Background color"), BlockFieldKind.COLOR)
SIZE = BlockField("font-size", _("Font size"), help=_("Such as 16px."))
WIDTH = BlockField("width", _("Width"), help=_("Such as 300px; empty for the whole width."))
PLACEMENT_CHOICES: tuple[tuple[str, str | Promise], ...] = (
    (EVENT, _("The product that triggered the message")),
    *((name, RECOMMENDATION_PLACEMENT_LABELS[name]) for name in PLACEMENTS if name != CATEGORIES),
)
FALLBACK_LABELS: dict[str, str | Promise] = {
    "popular": _("Show popular products"),
    "hide": _("Leave the row out"),
    "skip": _("Do not send the message"),
}
KINDS: tuple[BlockKind, ...] = (
    BlockKind(
        "mj-text",
        _("Text"),
        "notes",
        (
            BlockField(
                CONTENT,
                _("Text"),
                BlockFieldKind.LONG_TEXT,
                help=_('Variables such as {{ customer.first_name|default:"there" }}; HTML such as <b>bold</b>.'),
            ),
            SIZE,
            ALIGN,
            COLOR,
        ),
    ),
    BlockKind(
        "mj-image",
        _("Image"),
        "image",
        (
            BlockField(
                "src", _("Image address"), BlockFieldKind.URL, help=_("A public address that starts with https://.")
            ),
            BlockField(
                "alt", _("Alternative text"), help=_("Shown if images are off, and read aloud by screen readers.")
            ),
            BlockField("href", _("Link"), BlockFieldKind.URL),
            WIDTH,
            ALIGN,
        ),
    ),
    BlockKind(
        "mj-button",
        _("Button"),
        "smart_button",
        (
            BlockField(CONTENT, _("Label")),
            BlockField("href", _("Link"), BlockFieldKind.URL),
            BACKGROUND,
            COLOR,
            ALIGN,
        ),
    ),
    BlockKind(
        "mj-products",
        _("Products"),
        "shopping_bag",
        (
            BlockField("title", _("Heading")),
            BlockField("placement", _("Products"), BlockFieldKind.CHOICE, choices=PLACEMENT_CHOICES, default="for-you"),
            BlockField("n", _("Number of products"), BlockFieldKind.NUMBER, default="3"),
            BlockField("columns", pgettext_lazy("block", "Columns"), BlockFieldKind.NUMBER, default="3"),
            BlockField("filter", _("Filter"), help=_("Such as price < 20.")),
            BlockField("button", _("Button label"), help=_("Empty: no button.")),
            BlockField(
                "fallback",
                _("Without products"),
                BlockFieldKind.CHOICE,
                choices=[(name, FALLBACK_LABELS[name]) for name in FALLBACKS],
                default="popular",
            ),
            BlockField(
                "choose",
                _("When products are chosen"),
                BlockFieldKind.CHOICE,
                choices=((AT_SEND, _("when the message is sent")), (AT_OPEN, _("when it is opened, as images"))),
                default=AT_SEND,
            ),
            BlockField(
                "key", capfirst(_("key")), help=_("Rows with the same key in both languages show the same products.")
            ),
            BACKGROUND,
        ),
    ),
    BlockKind(
        "mj-coupon",
        _("Coupon"),
        "confirmation_number",
        (BlockField("pool", _("Coupon pool"), BlockFieldKind.POOL), ALIGN),
    ),
    BlockKind(
        "mj-footer",
        _("Footer"),
        "bottom_navigation",
        (
            BlockField(
                CONTENT,
                _("Text"),
                BlockFieldKind.LONG_TEXT,
                help=_("The postal address and the unsubscribe link are added below it."),
            ),
            COLOR,
        ),
    ),
    BlockKind(
        "mj-divider", _("Divider"), "horizontal_rule", (BlockField("border-color", _("Color"), BlockFieldKind.COLOR),)
    ),
    BlockKind("mj-spacer", _("Space"), "height", (BlockField("height", _("Height"), help=_("Such as 24px.")),)),
    BlockKind("mj-section", _("Section"), "view_agenda", (BACKGROUND, BlockField("padding", _("Padding")))),
    BlockKind("mj-column", pgettext_lazy("block", "Column"), "view_column", (WIDTH, BACKGROUND)),
)
CUSTOM = BlockKind("", _("Custom"), "code", (BlockField(CONTENT, _("MJML"), BlockFieldKind.LONG_TEXT),))
_BY_TAG = {kind.tag: kind for kind in KINDS}


def get_kind(element: Element) -> BlockKind:
    """Return the kind of an element; what the editor does not know is a custom block."""
    return _BY_TAG.get(element.tag, CUSTOM)
