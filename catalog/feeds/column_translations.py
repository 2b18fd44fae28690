"""Names of a system's columns in other languages, from TOML files: one for each language, with ``column = "English name"``."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files

from catalog.feeds.row_mapping import normalize_name

MAX_NUMBER = 30
# language → column → its English name
Translations = Mapping[str, Mapping[str, str]]


def load_translations(package: str, folder: str) -> Translations:
    """Return the translations in a folder of a package; a name with ``{n}`` is expanded to one name per number."""
    translations: dict[str, dict[str, str]] = {}
    for file in sorted((files(package) / folder).iterdir(), key=lambda item: item.name):
        language, dot, ending = file.name.partition(".")
        if dot and ending == "toml":
            translations[language] = dict(expand_numbers(tomllib.loads(file.read_text(encoding="utf-8"))))
    return translations


def expand_numbers(names: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    for column, english in names.items():
        if "{n}" not in column:
            yield column, english
            continue
        for number in range(1, MAX_NUMBER + 1):
            yield column.replace("{n}", str(number)), english.replace("{n}", str(number))


def list_translations(names: Iterable[str], translations: Translations) -> list[str]:
    """Return English names of columns, followed by their translations."""
    english = list(names)
    found = [column for table in translations.values() for column, name in table.items() if name in english]
    return list(dict.fromkeys([*english, *found]))


def add_translations(columns: Mapping[str, Sequence[str]], translations: Translations) -> dict[str, list[str]]:
    """Return the names of each field's columns with their translations."""
    return {name: list_translations(own, translations) for name, own in columns.items()}


def find_english_names(columns: Sequence[str], translations: Translations) -> dict[str, str]:
    """Return the English name of each column, from the language that knows most of the columns; all names are normalized."""
    best: dict[str, str] = {}
    for table in translations.values():
        names = {simplify_quotes(normalize_name(column)): normalize_name(name) for column, name in table.items()}
        found = {column: names[key] for column in columns if (key := simplify_quotes(column)) in names}
        if len(found) > len(best):
            best = found
    return best


def simplify_quotes(name: str) -> str:
    return name.replace("’", "'").strip("_")
