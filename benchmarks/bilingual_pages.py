"""Opens the same pages in both languages, wide and narrow: texts without a translation, figures that differ, and screenshots."""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Page

from benchmarks.neighbours import log

VIEWS = [(language, width) for language in ("en", "zh-hans") for width in (1440, 390)]
SETTLE_MS = 400
# texts of the page's main part without icons, code, and text that users have entered
READ_TEXTS = """() => {
  const texts = [], root = document.querySelector('main') || document.body;
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.replace(/\\s+/g, ' ').trim();
    if (text && !parent.closest('script, style, code, pre, [aria-hidden=true], .material-symbols-outlined')) texts.push(text);
  }
  for (const element of root.querySelectorAll('[aria-label], [placeholder], [title]'))
    for (const name of ['aria-label', 'placeholder', 'title'])
      if (element.getAttribute(name)) texts.push(element.getAttribute(name));
  texts.push(document.title);
  return texts;
}"""
WORD = re.compile(r"[A-Za-z]{3,}")
FIGURE = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.\d\d(?!\d)|\d+%")
DURATION = re.compile(r"\d+(?:\.\d+)? ?(?:ms|毫秒)")  # response times, which differ each time a page is opened
NAMES = re.compile(
    r"Shopify|WooCommerce|WordPress|Magento|Adobe Commerce|Perennial|SKU|URL|API|REST|Google|Merchant|XML|CSV|JSON|Lines|ID|"
    r"https?://\S+|\S+@\S+|[a-z0-9-]+(?:[._/][a-z0-9-]+)+"
)


@dataclass
class BilingualPages:
    """Pages of people who have logged in, in the order of ``VIEWS``.

    Attributes:
        names: texts of the shop, which are the same in both languages, such as titles.
        problems: what was wrong with the pages that were opened, one sentence each.
    """

    pages: Sequence[Page]
    shots: Path
    names: Collection[str] = ()
    number: int = 0
    problems: list[str] = field(default_factory=list)

    def open(self, url: str, name: str, *, is_moving: bool = False) -> None:
        """Open an address in each view. is_moving: its figures keep changing, so they are not compared."""
        self.number += 1
        texts: dict[str, list[str]] = {}
        for (language, width), page in zip(VIEWS, self.pages, strict=True):
            page.goto(url)
            page.wait_for_timeout(SETTLE_MS)
            page.screenshot(path=self.shots / f"{self.number:02}_{name}_{language}_{width}.png", full_page=True)
            texts.setdefault(language, page.evaluate(READ_TEXTS))
            if page.evaluate("document.documentElement.scrollWidth") > width:
                self.report(name, f"is wider than {width} px in {language}")
            page.goto("about:blank")  # drawing animated progress bars would take processor time from the installation
        for text in find_untranslated(texts["en"], texts["zh-hans"], self.names):
            self.report(name, f"has no translation of {text!r}")
        if not is_moving and (difference := compare_figures(texts["en"], texts["zh-hans"])):
            self.report(name, f"has different figures in Chinese: {difference}")

    def report(self, name: str, problem: str) -> None:
        self.problems.append(f"{name} {problem}")
        log(self.problems[-1])


def find_untranslated(english: Sequence[str], chinese: Sequence[str], names: Collection[str]) -> list[str]:
    """Return the texts with words that are the same on both pages, except the shop's own texts and names."""

    def is_text(text: str) -> bool:
        return text.removesuffix(" | Perennial") not in names and bool(WORD.search(NAMES.sub("", text)))

    both = set(english) & set(chinese)
    return [text for text in dict.fromkeys(chinese) if text in both and is_text(text)]


def compare_figures(english: Sequence[str], chinese: Sequence[str]) -> str:
    """Return the numbers that only one of the pages has; empty if they agree."""
    first, second = (
        Counter(figure for text in texts for figure in FIGURE.findall(DURATION.sub("", text)))
        for texts in (english, chinese)
    )
    lost, added = first - second, second - first
    return f"{sorted(lost)} only in English, {sorted(added)} only in Chinese" if lost or added else ""
