"""Copies the pages of one language into a folder for MkDocs, with links that work there."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
LINK = re.compile(r"(?<!!)\[(?P<text>[^\[\]]+)\]\((?P<target>[^()\s]+)\)")
FENCE = re.compile(r"^(```.*?^```)", re.DOTALL | re.MULTILINE)
# the link below the heading to the page in the other language; the site has a menu instead
OTHER_LANGUAGE = re.compile(r"^\[(?:简体中文|English)\]\([^)]*\)\n", re.MULTILINE)
# The rank of a page in search results: guides first, then the reference, and last the decisions, because they mention everything.
GUIDE_BOOST, REFERENCE_BOOST, DECISION_BOOST = 2.0, 1.0, 0.2


@dataclass(frozen=True)
class DocsLanguage:
    """A language of the documentation.

    Attributes:
        code: of its folder and its ``lang`` attribute.
        suffix: of its pages in ``docs/``.
        english_site: the path from a page of this site to the English site, the only one with the decisions.
    """

    code: str
    name: str
    suffix: str
    english_site: str = ""

    @property
    def is_english(self) -> bool:
        return not self.suffix


def stage_pages(folder: Path, language: DocsLanguage) -> list[str]:
    """Write the guides, and in English also the decisions; return the names of the guides."""
    names = sorted(find_pages(language))
    for name in names:
        text = (DOCS / f"{name}{language.suffix}.md").read_text(encoding="utf-8")
        write_page(folder / f"{name}.md", OTHER_LANGUAGE.sub("", text, count=1), language)
    for files in ("deployment", "images"):
        shutil.copytree(DOCS / files, folder / files)
    if language.is_english:
        stage_decisions(folder / "decisions", language)
    return names


def find_pages(language: DocsLanguage) -> Iterator[str]:
    for page in DOCS.glob("*.md"):
        is_chinese = page.name.endswith(".zh-hans.md")
        if is_chinese != language.is_english:
            yield page.name.removesuffix(".md").removesuffix(".zh-hans")


def stage_decisions(folder: Path, language: DocsLanguage) -> None:
    lines = ["# Design decisions", ""]
    for page in sorted((DOCS / "decisions").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        write_page(folder / page.name, text, language, is_decision=True)
        lines.append(f"- [{text.splitlines()[0].removeprefix('# ')}]({page.name})")
    text = boost_in_search("\n".join(lines) + "\n", DECISION_BOOST)
    (folder / "index.md").write_text(text, encoding="utf-8")


def write_page(path: Path, text: str, language: DocsLanguage, *, is_decision: bool = False) -> None:
    """Write a page; code is left as it is."""
    parts = FENCE.split(text)
    adapted = [
        part if part.startswith("```") else LINK.sub(lambda link: adapt_link(link, language, is_decision), part)
        for part in parts
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    text = boost_in_search("".join(adapted), DECISION_BOOST if is_decision else GUIDE_BOOST)
    path.write_text(text, encoding="utf-8")


def boost_in_search(text: str, boost: float) -> str:
    """Return a page with the front matter by which Material for MkDocs ranks it."""
    return f"---\nsearch:\n  boost: {boost}\n---\n{text}"


def adapt_link(link: re.Match[str], language: DocsLanguage, is_decision: bool) -> str:
    """Return a link for the site; a link to something outside the site becomes plain text."""
    text, (target, hash_sign, anchor) = link["text"], link["target"].partition("#")
    if "://" in target or not target:
        return link[0]
    folder = DOCS / "decisions" if is_decision else DOCS
    resolved = (folder / target).resolve()
    up = "../" if is_decision else ""
    if resolved in (ROOT / "README.md", ROOT / "README.zh-hans.md"):
        return f"[{text}]({up}index.md)"
    if resolved.is_dir() or not resolved.is_relative_to(DOCS):
        is_list = resolved == DOCS / "decisions"
        return write_decision_link(text, "index", "", language, up) if is_list else text
    name = resolved.name.removesuffix(".md")
    if resolved.parent == DOCS / "decisions":
        return write_decision_link(text, name, hash_sign + anchor, language, up)
    if resolved.parent == DOCS:
        # an English page has different headings from its translation
        is_other = not language.is_english and not name.endswith(language.suffix)
        return f"[{text}]({up}{name.removesuffix('.zh-hans')}.md{'' if is_other else hash_sign + anchor})"
    return link[0]


def write_decision_link(text: str, name: str, anchor: str, language: DocsLanguage, up: str) -> str:
    if language.is_english:
        return f"[{text}]({up}decisions/{name}.md{anchor})"
    return f"[{text}]({language.english_site}decisions/{name}.html{anchor})"
