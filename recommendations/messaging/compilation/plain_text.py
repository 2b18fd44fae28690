"""Derives the plain-text part of a message from its HTML: texts, links with their targets, no leftovers of the layout."""

import re
from html.parser import HTMLParser

BLOCKS = frozenset(
    {"p", "div", "tr", "table", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "br", "hr", "blockquote"}
)
HIDDEN = frozenset({"head", "style", "script", "title"})
VOID = frozenset({"br", "hr", "img", "meta", "link", "input", "col"})


class TextExtractor(HTMLParser):
    """Collects the text of HTML. Comments, which Outlook reads, and hidden elements are left out."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.hidden: list[str] = []
        self.links: list[tuple[str, int]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if self.hidden or tag in HIDDEN or "display:none" in values.get("style", "").replace(" ", ""):
            if tag not in VOID:
                self.hidden.append(tag)
            return
        if tag == "a":
            self.links.append((values.get("href", ""), len(self.parts)))
        elif tag == "img" and values.get("alt"):
            self.parts.append(values["alt"])
        elif tag == "li":
            self.parts.append("\n- ")
        elif tag == "td":
            self.parts.append(" ")
        elif tag in BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if self.hidden:
            if tag in self.hidden:
                while self.hidden.pop() != tag:
                    pass
            return
        if tag == "a" and self.links:
            target, position = self.links.pop()
            target = target.removeprefix("mailto:").removeprefix("tel:")
            label = "".join(self.parts[position:]).strip()
            if target and target != label and not target.startswith("#"):
                self.parts.append(f" ({target})" if label else target)
        elif tag in ("p", "h1", "h2", "h3", "h4", "ul", "ol", "blockquote"):
            self.parts.append("\n\n")
        elif tag in BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.parts.append(re.sub(r"\s+", " ", data))


def derive_text(html: str) -> str:
    """Return the plain text of HTML."""
    extractor = TextExtractor()
    extractor.feed(html)
    extractor.close()
    text = "".join(extractor.parts).replace("\xa0", " ")
    lines = [" ".join(line.split()) for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"
