"""Every user-visible text has a valid Chinese translation."""

import re
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


def list_texts(texts: list[TranslatableText]) -> list[tuple[str, str | None, str | None]]:
    return [(text.text, text.plural, text.context) for text in texts]


def make_catalog(**strings: str) -> Catalog:
    catalog = Catalog(locale="zh_Hans")
    for text, chinese in strings.items():
        catalog.add(text.replace("_", " "), chinese)
    return catalog


@pytest.fixture(scope="module")
def all_texts() -> list[TranslatableText]:
    return list(find_all_texts())


def test_every_text_is_translated(all_texts: list[TranslatableText]) -> None:
    assert find_problems(read_catalog(CATALOG), all_texts) == []


def test_the_catalog_has_no_unused_text(all_texts: list[TranslatableText]) -> None:
    used = {text.key for text in all_texts}
    catalog_messages = read_catalog(CATALOG)
    assert [message.id for message in catalog_messages if message.id and get_message_key(message) not in used] == []


def test_texts_have_one_spelling_of_canceled(all_texts: list[TranslatableText]) -> None:
    """Statuses of orders and jobs are stored as "cancelled"; only the texts that list these values may name them so."""
    other = re.compile(r"(?<!placed, )\bcancell(ed|ing)\b", re.IGNORECASE)
    assert [text.text for text in all_texts if other.search(text.text)] == []


def get_message_key(message: object) -> tuple[str, str | None]:
    text = message.id if isinstance(message.id, str) else message.id[0]  # type: ignore[attr-defined]
    return text, message.context  # type: ignore[attr-defined]


def test_python_texts_are_found_under_any_alias() -> None:
    source = (
        "from django.utils import translation\n"
        "from django.utils.translation import gettext_lazy as _, ngettext, pgettext as p\n"
        "_('one' ' text')\nngettext('a', 'b', 2)\np('menu', 'open')\ntranslation.gettext('far')\nother('no')\n"
    )
    assert list_texts(list(find_python_texts(source, "x.py"))) == [
        ("one text", None, None),
        ("a", "b", None),
        ("open", None, "menu"),
        ("far", None, None),
    ]


def test_a_text_built_at_run_time_is_rejected() -> None:
    source = "from django.utils.translation import gettext as _\n_(f'{n} rows')\n"
    with pytest.raises(UntranslatableTextError, match=r"x\.py:2"):
        list(find_python_texts(source, "x.py"))


def test_template_texts_are_found_with_any_indentation() -> None:
    source = (
        '      {% load i18n %}\n  {% translate "Home" %}\n'
        "{% blocktranslate count n=n %}{{ n }} row{% plural %}{{ n }} rows{% endblocktranslate %}\n"
        '         {% translate "May" context "month" %} {{ x|default:_("none") }}'
    )
    assert list_texts(list(find_template_texts(source, "x.html"))) == [
        ("Home", None, None),
        ("%(n)s row", "%(n)s rows", None),
        ("May", None, "month"),
        ("none", None, None),
    ]


@pytest.mark.parametrize(
    ("chinese", "problem"),
    [("", "no translation"), ("行", "must contain"), ("%(m)s 行", "must contain"), ("%(n)s 行\n", "line break")],
)
def test_an_invalid_translation_is_reported(chinese: str, problem: str) -> None:
    catalog = Catalog(locale="zh_Hans")
    catalog.add("%(n)s rows", chinese)
    [problem_line] = find_problems(
        catalog, [TranslatableText(text="%(n)s rows", plural=None, context=None, path="x.py")]
    )
    assert problem in problem_line


def test_a_fuzzy_translation_is_reported() -> None:
    catalog = Catalog(locale="zh_Hans")
    catalog.add("rows", "行", flags=["fuzzy"])
    [problem_line] = find_problems(catalog, [TranslatableText(text="rows", plural=None, context=None, path="x.py")])
    assert "fuzzy" in problem_line


def test_an_update_keeps_known_texts_and_drops_unused_ones(tmp_path: Path) -> None:
    path = tmp_path / "django.po"
    old = make_catalog(kept="留", dropped="弃")
    texts = [
        TranslatableText(text="kept", plural=None, context=None, path="a.py"),
        TranslatableText(text="%(n)s new", plural="%(n)s new ones", context=None, path="b.py"),
    ]
    save_catalog(update_catalog(old, texts), path)
    read = read_catalog(path)
    assert read.get("kept").string == "留"
    assert read.get("dropped") is None
    assert read.get("%(n)s new").string == ("",)
    before = path.read_bytes()
    save_catalog(update_catalog(read, texts), path)
    assert path.read_bytes() == before


def test_saving_a_catalog_again_keeps_its_order(tmp_path: Path) -> None:
    # "Field" is found in c.py before a.py
    texts = [TranslatableText(text, None, None, path) for text, path in (("Field", "c.py"), ("From", "b.py"))]
    texts += [TranslatableText("Field", None, None, "a.py")]
    path = tmp_path / "django.po"
    save_catalog(update_catalog(read_catalog(path), texts), path)
    saved = path.read_bytes()
    save_catalog(read_catalog(path), path)
    assert path.read_bytes() == saved


def test_the_compiled_catalog_is_beside_its_source(tmp_path: Path) -> None:
    path = tmp_path / "django.po"
    save_catalog(make_catalog(kept="留"), path)
    assert compile_catalog(path) == tmp_path / "django.mo"
    assert (tmp_path / "django.mo").stat().st_size > 0
