"""The elements of MJML 4 with their attributes and parents, and the project's own: products, coupon and footer."""

from collections.abc import Iterable


def _list_sides(name: str) -> list[str]:
    return [name, *(f"{name}-{side}" for side in ("top", "right", "bottom", "left"))]


# names in capital letters stand for these groups
GROUPS = {
    "PADDING": _list_sides("padding"),
    "BORDER": [*_list_sides("border"), "border-radius"],
    "INNER": [*_list_sides("inner-border"), "inner-border-radius"],
    "FONT": [
        "color",
        "font-family",
        "font-size",
        "font-style",
        "font-weight",
        "letter-spacing",
        "line-height",
        "text-decoration",
        "text-transform",
    ],
    "BACKGROUND": [
        *("background-color", "background-position", "background-position-x", "background-position-y"),
        *("background-repeat", "background-size", "background-url"),
    ],
    "LINK": ["href", "rel", "target", "title", "name"],
    "ICONS": [
        *("icon-align", "icon-height", "icon-position", "icon-width"),
        *("icon-unwrapped-alt", "icon-unwrapped-url", "icon-wrapped-alt", "icon-wrapped-url"),
    ],
}
GROUPS["CONTENT"] = [*GROUPS["PADDING"], "container-background-color", "align", "vertical-align"]
EVERYWHERE = ("css-class", "mj-class", "id")


def _expand(names: str) -> list[str]:
    return [name for part in names.split() for name in GROUPS.get(part, [part])]


# tag → attributes, in addition to those of EVERYWHERE
ATTRIBUTES: dict[str, frozenset[str]] = {
    tag: frozenset([*_expand(names), *EVERYWHERE])
    for tag, names in {
        "mj-body": "background-color width",
        "mj-wrapper": "BACKGROUND BORDER PADDING direction full-width gap text-align",
        "mj-section": "BACKGROUND BORDER PADDING direction full-width text-align text-padding",
        "mj-group": "background-color direction vertical-align width",
        "mj-column": "background-color BORDER INNER PADDING direction vertical-align width inner-background-color",
        "mj-text": "FONT CONTENT height",
        "mj-button": "FONT CONTENT BORDER LINK background-color height inner-padding text-align width",
        "mj-image": "CONTENT BORDER LINK alt fluid-on-mobile font-size height max-height sizes src srcset usemap width",
        "mj-divider": "CONTENT border-color border-style border-width width",
        "mj-spacer": "CONTENT BORDER height",
        "mj-table": "FONT CONTENT border cellpadding cellspacing role table-layout width",
        "mj-hero": (
            "BACKGROUND PADDING background-height background-width border-radius height inner-background-color inner-padding"
            " inner-padding-top inner-padding-right inner-padding-bottom inner-padding-left mode vertical-align width align"
            " container-background-color"
        ),
        "mj-social": "FONT CONTENT border-radius icon-height icon-padding icon-size inner-padding mode table-layout text-padding",
        "mj-social-element": (
            "FONT PADDING LINK align alt background-color border-radius icon-height icon-padding icon-position icon-size"
            " sizes src srcset text-padding vertical-align"
        ),
        "mj-navbar": (
            "PADDING align base-url hamburger ico-align ico-close ico-color ico-font-family ico-font-size ico-line-height ico-open"
            " ico-padding ico-padding-top ico-padding-right ico-padding-bottom ico-padding-left ico-text-decoration ico-text-transform"
        ),
        "mj-navbar-link": "FONT PADDING LINK",
        "mj-accordion": "CONTENT ICONS border font-family",
        "mj-accordion-element": "ICONS background-color border font-family",
        "mj-accordion-title": "FONT PADDING background-color",
        "mj-accordion-text": "FONT PADDING background-color",
        "mj-carousel": (
            "CONTENT border-radius icon-width left-icon right-icon tb-border tb-border-radius tb-hover-border-color"
            " tb-selected-border-color tb-width thumbnails"
        ),
        "mj-carousel-image": "LINK alt border-radius src tb-border tb-border-radius thumbnails-src",
        "mj-raw": "position",
        "mj-products": "PADDING placement n columns filter title button price choose fallback key background-color button-color",
        "mj-coupon": "pool align color PADDING",
        "mj-footer": "background-color color font-size align",
    }.items()
}
HEAD_ATTRIBUTES: dict[str, frozenset[str]] = {
    "mjml": frozenset({"lang", "dir", "owa", "version"}),
    "mj-head": frozenset(),
    "mj-title": frozenset(),
    "mj-preview": frozenset(),
    "mj-attributes": frozenset(),
    "mj-all": frozenset().union(*ATTRIBUTES.values()),
    "mj-class": frozenset({"name"}).union(*ATTRIBUTES.values()),
    "mj-style": frozenset({"inline"}),
    "mj-font": frozenset({"name", "href"}),
    "mj-breakpoint": frozenset({"width"}),
    "mj-html-attributes": frozenset(),
    "mj-selector": frozenset({"path"}),
    "mj-html-attribute": frozenset({"name"}),
}
IN_COLUMN = "mj-text mj-button mj-image mj-divider mj-spacer mj-table mj-social mj-navbar mj-accordion mj-carousel mj-raw mj-coupon"
# tag → the elements that may be inside; tags that are missing here contain text and HTML
CHILDREN: dict[str, frozenset[str]] = {
    tag: frozenset(children.split())
    for tag, children in {
        "mjml": "mj-head mj-body",
        "mj-head": "mj-title mj-preview mj-attributes mj-style mj-font mj-breakpoint mj-html-attributes mj-raw",
        "mj-attributes": " ".join(["mj-all mj-class", *ATTRIBUTES]),
        "mj-html-attributes": "mj-selector",
        "mj-selector": "mj-html-attribute",
        "mj-body": "mj-section mj-wrapper mj-hero mj-raw mj-products mj-footer",
        "mj-wrapper": "mj-section mj-hero mj-raw mj-products mj-footer",
        "mj-section": "mj-column mj-group mj-raw",
        "mj-group": "mj-column mj-raw",
        "mj-column": IN_COLUMN,
        "mj-hero": IN_COLUMN,
        "mj-social": "mj-social-element mj-raw",
        "mj-navbar": "mj-navbar-link mj-raw",
        "mj-accordion": "mj-accordion-element mj-raw",
        "mj-accordion-element": "mj-accordion-title mj-accordion-text mj-raw",
        "mj-carousel": "mj-carousel-image",
        "mj-all": "",
        "mj-class": "",
        "mj-image": "",
        "mj-divider": "",
        "mj-spacer": "",
        "mj-font": "",
        "mj-breakpoint": "",
        "mj-carousel-image": "",
        "mj-products": "",
        "mj-coupon": "",
    }.items()
}
TEXT_TAGS = frozenset({*ATTRIBUTES, *HEAD_ATTRIBUTES}.difference(CHILDREN))
REQUIRED: dict[str, tuple[str, ...]] = {"mj-image": ("src",), "mj-carousel-image": ("src",), "mj-coupon": ("pool",)}
CUSTOM_TAGS = frozenset({"mj-products", "mj-coupon", "mj-footer"})


def get_attributes(tag: str) -> frozenset[str] | None:
    """Return the attributes of a tag of MJML; None for an unknown tag."""
    return ATTRIBUTES.get(tag, HEAD_ATTRIBUTES.get(tag))


def list_parents(tag: str) -> list[str]:
    """Return the tags that may contain a tag."""
    return [parent for parent, children in CHILDREN.items() if tag in children and parent != "mj-attributes"]


def list_tags() -> Iterable[str]:
    return [*ATTRIBUTES, *HEAD_ATTRIBUTES]
