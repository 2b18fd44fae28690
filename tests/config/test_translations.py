"""Nothing that people read is left in English when they chose Chinese."""

from pathlib import Path

import pytest
from babel.messages.catalog import Catalog

from config.translations import (
    CATALOG,
    TranslatableText,
    UntranslatableTextError,
    compile_catalog,
    find_all_texts,
    find_problems,
    find_python_texts,
    find_template_texts,
    read_catalog,
    save_catalog,
    update_catalog,
)


def texts(found: list[TranslatableText]) -> list[tuple[str, str | None, str | None]]:
    return [(text.text, text.plural, text.context) for text in found]


def catalogue_of(**strings: str) -> Catalog:
    catalogue = Catalog(locale="zh_Hans")
    for text, chinese in strings.items():
        catalogue.add(text.replace("_", " "), chinese)
    return catalogue


def test_every_text_has_its_chinese() -> None:
    assert find_problems(read_catalog(CATALOG), find_all_texts()) == []


def test_catalogue_holds_no_text_that_nobody_uses() -> None:
    used = {text.key for text in find_all_texts()}
    kept = read_catalog(CATALOG)
    assert [message.id for message in kept if message.id and kept_key(message) not in used] == []


def kept_key(message: object) -> tuple[str, str | None]:
    text = message.id if isinstance(message.id, str) else message.id[0]  # type: ignore[attr-defined]
    return text, message.context  # type: ignore[attr-defined]


def test_python_texts_are_found_under_any_name() -> None:
    source = (
        "from django.utils import translation\n"
        "from django.utils.translation import gettext_lazy as _, ngettext, pgettext as p\n"
        "_('one' ' text')\nngettext('a', 'b', 2)\np('menu', 'open')\ntranslation.gettext('far')\nother('no')\n"
    )
    assert texts(list(find_python_texts(source, "x.py"))) == [
        ("one text", None, None),
        ("a", "b", None),
        ("open", None, "menu"),
        ("far", None, None),
    ]


def test_text_put_together_at_run_time_is_refused() -> None:
    source = "from django.utils.translation import gettext as _\n_(f'{n} rows')\n"
    with pytest.raises(UntranslatableTextError, match=r"x\.py:2"):
        list(find_python_texts(source, "x.py"))


def test_template_texts_are_found_however_they_are_indented() -> None:
    source = (
        '      {% load i18n %}\n  {% translate "Home" %}\n'
        "{% blocktranslate count n=n %}{{ n }} row{% plural %}{{ n }} rows{% endblocktranslate %}\n"
        '         {% translate "May" context "month" %} {{ x|default:_("none") }}'
    )
    assert texts(list(find_template_texts(source, "x.html"))) == [
        ("Home", None, None),
        ("%(n)s row", "%(n)s rows", None),
        ("May", None, "month"),
        ("none", None, None),
    ]


@pytest.mark.parametrize(
    ("chinese", "problem"),
    [("", "no translation"), ("行", "should hold"), ("%(m)s 行", "should hold"), ("%(n)s 行\n", "line break")],
)
def test_poor_translation_is_reported(chinese: str, problem: str) -> None:
    catalogue = Catalog(locale="zh_Hans")
    catalogue.add("%(n)s rows", chinese)
    [reported] = find_problems(catalogue, [TranslatableText(text="%(n)s rows", plural=None, context=None, place="x.py")])
    assert problem in reported


def test_fuzzy_translation_is_reported() -> None:
    catalogue = Catalog(locale="zh_Hans")
    catalogue.add("rows", "行", flags=["fuzzy"])
    [reported] = find_problems(catalogue, [TranslatableText(text="rows", plural=None, context=None, place="x.py")])
    assert "fuzzy" in reported


def test_renewing_keeps_known_texts_and_drops_unused_ones(tmp_path: Path) -> None:
    path = tmp_path / "django.po"
    old = catalogue_of(kept="留", dropped="弃")
    found = [
        TranslatableText(text="kept", plural=None, context=None, place="a.py"),
        TranslatableText(text="%(n)s new", plural="%(n)s new ones", context=None, place="b.py"),
    ]
    save_catalog(update_catalog(old, found), path)
    read = read_catalog(path)
    assert read.get("kept").string == "留"
    assert read.get("dropped") is None
    assert read.get("%(n)s new").string == ("",)
    before = path.read_bytes()
    save_catalog(update_catalog(read, found), path)
    assert path.read_bytes() == before


def test_compiled_catalogue_lies_beside_its_source(tmp_path: Path) -> None:
    path = tmp_path / "django.po"
    save_catalog(catalogue_of(kept="留"), path)
    assert compile_catalog(path) == tmp_path / "django.mo"
    assert (tmp_path / "django.mo").stat().st_size > 0
