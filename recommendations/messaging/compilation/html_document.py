"""The HTML of a compiled message: language, title, dark mode, preview text, links and product rows."""

import re
from html import escape, unescape

from recommendations.messaging.compilation.product_rows import MessageProductRow
from recommendations.messaging.compilation.slots import SlotTable
from recommendations.messaging.substitution.fragments import (
    Fragment,
    Getter,
    LinkGetter,
    RowGetter,
    TargetGetter,
    escape_html,
    escape_url_part,
)

LINK = re.compile(r"(<a\b[^>]*?\shref=\")([^\"]*)(\"[^>]*>)(.*?)</a>", re.DOTALL | re.IGNORECASE)
SOURCE = re.compile(r"(<(?:img|td|table|div)\b[^>]*?\s(?:src|background)=\")([^\"]*)(\")", re.IGNORECASE)
IMAGE_TEXT = re.compile(r"<img\b[^>]*?\salt=\"([^\"]*)\"", re.IGNORECASE)
TAGS = re.compile(r"<[^<>]*>")
IMAGE = re.compile(r"<img\b[^>]*>", re.IGNORECASE)
FRACTION = re.compile(r"(\swidth=\"\d+)\.\d+\"")
MAX_LABEL = 60
PREFERENCES = ("links", "preferences")
DARK_MODE = (
    '<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">'
    "<style>:root{color-scheme:light dark;supported-color-schemes:light dark}"
    "@media (prefers-color-scheme:dark){"
    "body,.msg-canvas{background:#0f172a!important}"
    ".msg-card,.msg-card>table,.msg-card>table>tbody>tr>td{background:#1e293b!important;background-color:#1e293b!important}"
    ".msg-text div,.msg-text a,.msg-text h1,.msg-text h2,.msg-text h3,.msg-text p{color:#f1f5f9!important}"
    ".msg-muted div,.msg-muted a{color:#cbd5e1!important}"
    "}</style>"
)
PREVIEW = (
    '<div style="display:none;font-size:1px;color:#ffffff;line-height:1px;max-height:0;max-width:0;opacity:0;overflow:hidden">'
    "{text}</div>"
)


def complete_document(html: str, *, language: str, subject: str, preheader: str) -> str:
    """Return the compiler's document with its language, title, dark mode and preview text. The texts may have placeholders."""
    tag = {"zh-hans": "zh-Hans"}.get(language, language)
    html = html.replace('lang="und"', f'lang="{tag}"')
    html = html.replace("<title></title>", f"<title>{escape(subject)}</title>", 1)
    if 'name="color-scheme"' not in html:
        html = html.replace("</head>", f"{DARK_MODE}</head>", 1)
    html = IMAGE.sub(lambda match: correct_image(match[0]), html)
    if preheader:
        preview = PREVIEW.format(text=escape(preheader))
        html = re.sub(r"<body[^>]*>", lambda match: match[0] + preview, html, count=1)
    return html


def correct_image(tag: str) -> str:
    """Return an image tag of the compiler as HTML requires it: with a width in whole pixels, and without a height that is no number."""
    return FRACTION.sub(r'\1"', tag.replace(' height="auto"', ""))


def replace_links(html: str, slots: SlotTable) -> str:
    """Return HTML in which the targets of links and images are placeholders of their own."""
    html = LINK.sub(lambda match: _replace_link(match, slots), html)
    return SOURCE.sub(lambda match: _replace_image(match, slots), html)


def _replace_link(match: re.Match[str], slots: SlotTable) -> str:
    target, content = unescape(match[2]), match[4]
    if slots.pattern.fullmatch(target) and _is_own_link(target, slots):
        return match[0]
    if not slots.pattern.match(target) and target[:4].lower() != "http":
        return match[0]  # mailto:, tel: and anchors
    getter = LinkGetter(build_target(target, slots), make_label(content, slots))
    return f"{match[1]}{slots.add(getter)}{match[3]}{content}</a>"


def _is_own_link(target: str, slots: SlotTable) -> bool:
    """Return whether a placeholder is a link that needs no counting: of a product, of the footer, or of the message itself.

    A link to the preferences in the content is counted, because customers answer with it that they still want messages.
    """
    found = slots.pattern.fullmatch(target)
    slot = slots.slots[int(found[1])] if found else None
    if slot is None:
        return False
    return slot.variable is None or (slot.variable.path[0] == "links" and slot.variable.path != PREFERENCES)


def _replace_image(match: re.Match[str], slots: SlotTable) -> str:
    target = unescape(match[2])
    if not slots.pattern.search(target) or _is_own_link(target, slots):
        return match[0]
    return f"{match[1]}{slots.add(build_target(target, slots))}{match[3]}"


def build_target(target: str, slots: SlotTable) -> TargetGetter:
    """Return the getter of a URL: a variable at its beginning is a URL, others are escaped parts of it."""
    first = slots.pattern.match(target)
    fragment, rest = Fragment(), target
    if first is not None:
        fragment.add(slots.slots[int(first[1])].getter)
        rest = target[first.end() :]
    for part in _list_parts(slots.build_fragment(rest, escape_url_part)):
        fragment.add(part)
    return TargetGetter(fragment, is_whole=first is not None)


def _list_parts(fragment: Fragment) -> list[str | Getter]:
    parts: list[str | Getter] = list(fragment.parts)
    for position, number in fragment.slots:
        parts[position] = fragment.getters[number]
    return parts


def make_label(content: str, slots: SlotTable) -> str:
    """Return the name of a link in reports: its text, or that of its image."""
    text = " ".join(unescape(TAGS.sub(" ", content)).split())
    image = IMAGE_TEXT.search(content)
    label = text or (unescape(image[1]) if image else "")
    return slots.pattern.sub("…", label)[:MAX_LABEL]


def extract_rows(html: str, rows: list[MessageProductRow], slots: SlotTable) -> str:
    """Return HTML in which each product row, compiled for every number of columns, is one placeholder."""
    for number, row in enumerate(rows):
        marker = f"{slots.nonce}row{number}"
        begin, end = html.index(f"{marker}begin"), html.index(f"{marker}end")
        heading, *variants = re.split(rf"{marker}with\d+z", html[begin + len(f"{marker}begin") : end])
        getter = RowGetter(
            row.key,
            slots.build_fragment(heading, escape_html),
            {count: slots.build_fragment(variant, escape_html) for count, variant in enumerate(variants, start=1)},
            row.columns,
        )
        html = html[:begin] + slots.add(getter, is_markup=True) + html[end + len(f"{marker}end") :]
    return html
