"""Every path, module and link that the documentation mentions exists."""

import re
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

import pytest

from config.settings import BASE_DIR

PAGES = sorted([*BASE_DIR.glob("*.md"), *(BASE_DIR / "docs").rglob("*.md")])
ROOMS = ("catalog", "config", "customers", "recommendations", "tests", "benchmarks", "docs", "requirements")
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
PATH = re.compile(rf"(?:{'|'.join(ROOMS)})/[\w./\-]*")
DOTTED = re.compile(rf"(?:{'|'.join(ROOMS[:4])})(?:\.\w+)+")


def read_prose(page: Path) -> str:
    """Return a page without its fenced blocks, which other tests run."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def find_missing(page: Path) -> Iterator[str]:
    text = read_prose(page)
    for target in LINK.findall(text):
        if "://" not in target and not (page.parent / target).exists():
            yield target
    for code in CODE.findall(text):
        if (PATH.fullmatch(code) and not (BASE_DIR / code).exists()) or (
            DOTTED.fullmatch(code) and not is_defined(code)
        ):
            yield code


def is_defined(dotted: str) -> bool:
    """Return whether a dotted name is a module, or a name that a module defines."""
    parent, _dot, name = dotted.rpartition(".")
    if find_module(dotted) is not None:
        return True
    spec = find_module(parent)
    if spec is None or spec.origin is None:
        return False
    source = Path(spec.origin).read_text(encoding="utf-8")
    return re.search(rf"^(?:def|class) {name}\b|^{name}\b.*=", source, re.MULTILINE) is not None


def find_module(dotted: str) -> ModuleSpec | None:
    """Return the specification of a module; None if its package is none or does not exist."""
    try:
        return find_spec(dotted)
    except ModuleNotFoundError:
        return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(BASE_DIR).as_posix())
def test_every_path_and_name_on_a_page_exists(page: Path) -> None:
    assert list(find_missing(page)) == []


def test_every_guide_has_its_translation() -> None:
    english = {
        page.name.removesuffix(".md") for page in (BASE_DIR / "docs").glob("*.md") if ".zh-hans" not in page.name
    }
    chinese = {page.name.removesuffix(".zh-hans.md") for page in (BASE_DIR / "docs").glob("*.zh-hans.md")}
    assert english - {"errata"} == chinese


def test_every_translated_page_links_to_the_other_language_under_its_title() -> None:
    pairs = [(page, chinese) for page in PAGES if (chinese := page.with_name(f"{page.stem}.zh-hans.md")).exists()]
    links = [(page, f"[简体中文]({chinese.name})") for page, chinese in pairs]
    links += [(chinese, f"[English]({page.name})") for page, chinese in pairs]
    missing = [page.name for page, link in links if link not in page.read_text(encoding="utf-8").splitlines()[1:3]]
    assert pairs
    assert missing == []
