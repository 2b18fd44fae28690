"""Maintains the Simplified Chinese message catalog with Babel; no gettext programs are needed.

python -m config.translations --extract   collects every text, including those of packages without a Chinese translation
python -m config.translations --compile   writes the .mo file that Django reads
python -m config.translations --check     lists every text without a valid translation; exits with 1 if there is one
"""

import argparse
import ast
import gettext
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
LANGUAGE = "zh_Hans"
CATALOG = ROOT / "config" / "locale" / LANGUAGE / "LC_MESSAGES" / "django.po"
ROOMS = ("catalog", "config", "customers", "recommendations")
# Packages with texts that are visible in the back office or in REST responses.
PACKAGES = (
    "unfold",
    "axes",
    "auditlog",
    "django_celery_beat",
    "import_export",
    "rest_framework",
    "django/contrib/admin",
    "django/contrib/auth",
    "django/contrib/contenttypes",
    "django/contrib/messages",
    "django/contrib/postgres",
    "django/core",
    "django/db",
    "django/forms",
    "django/views",
)
# Parts of unfold for packages that are not installed.
SKIPPED = (
    "unfold/contrib/constance/",
    "unfold/contrib/forms/",
    "unfold/contrib/guardian/",
    "unfold/contrib/hijack/",
    "unfold/contrib/location_field/",
    "unfold/contrib/reversion/",
    "unfold/contrib/reversion_compare/",
    "unfold/contrib/simple_history/",
    "unfold/contrib/waffle/",
)
# Texts that a package has translated, but word by word; the catalog has its own translation.
REPLACED_TEXTS = frozenset(
    {
        " By %(filter_title)s ",
        "%(total_count)s selected",
        "0 of %(cnt)s selected",
        "Add %(name)s",
        "Delete selected %(verbose_name_plural)s",
        "Past 7 days",
        "Select all %(total_count)s %(module_name)s",
    }
)
DJANGO_PARTS = ("conf", "contrib/admin", "contrib/auth", "contrib/contenttypes", "contrib/postgres")
# Function → the positions of its arguments for context, text and plural.
CALLS: dict[str, tuple[int | None, int, int | None]] = {
    "gettext": (None, 0, None),
    "gettext_lazy": (None, 0, None),
    "gettext_noop": (None, 0, None),
    "ngettext": (None, 0, 1),
    "ngettext_lazy": (None, 0, 1),
    "pgettext": (0, 1, None),
    "pgettext_lazy": (0, 1, None),
    "npgettext": (0, 1, 2),
    "npgettext_lazy": (0, 1, 2),
    "translatable": (None, 0, None),
}
# The modules that these functions are imported from.
CALL_MODULES = ("django.utils.translation", "config.foundation.translatable")
TEMPLATE_KEYWORDS = {
    "_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}
PLACEHOLDER = re.compile(r"%\(\w+\)[#0\- +]*[\d.]*[a-zA-Z]|%[sdifrg]|\{\w*(?:[.!:][^{}]*)?\}")

type Key = tuple[str, str | None]  # the English text and its context


class UntranslatableTextError(Exception):
    """A translatable text is composed at run time, so no catalog can contain it."""


@dataclass(frozen=True)
class TranslatableText:
    """One translatable text in one file."""

    text: str
    plural: str | None
    context: str | None
    path: str

    @property
    def key(self) -> Key:
        return self.text, self.context

    @property
    def id(self) -> str | tuple[str, str]:
        return (self.text, self.plural) if self.plural is not None else self.text


def find_python_texts(source: str, path: str) -> Iterator[TranslatableText]:
    """Yield the texts passed to Django's translation functions, whatever names a module imports them under."""
    tree = ast.parse(source)
    names = dict(_find_imported_names(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (function := _match_call(node.func, names)):
            yield _read_call(node, function, path)


def _find_imported_names(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in CALL_MODULES:
            for alias in node.names:
                if alias.name in CALLS:
                    yield alias.asname or alias.name, alias.name


def _match_call(function: ast.expr, names: dict[str, str]) -> str | None:
    if isinstance(function, ast.Name):
        return names.get(function.id)
    if isinstance(function, ast.Attribute) and function.attr in CALLS:
        owner = function.value
        if isinstance(owner, ast.Name) and owner.id == "translation":
            return function.attr
    return None


def _read_call(node: ast.Call, function: str, path: str) -> TranslatableText:
    context_at, text_at, plural_at = CALLS[function]
    location = f"{path}:{node.lineno}"

    def read_argument(position: int) -> str:
        argument = node.args[position] if position < len(node.args) else None
        if not isinstance(argument, ast.Constant) or not isinstance(argument.value, str):
            raise UntranslatableTextError(
                f"{location}: pass a literal string to {function}() and fill placeholders afterwards."
            )
        return argument.value

    return TranslatableText(
        text=read_argument(text_at),
        plural=None if plural_at is None else read_argument(plural_at),
        context=None if context_at is None else read_argument(context_at),
        path=path,
    )


def find_template_texts(source: str, path: str) -> Iterator[TranslatableText]:
    """Yield the texts of translate and blocktranslate tags and of _() in filters and tags."""
    from django.utils.translation.template import templatize  # Django is not needed for --compile

    # Within brackets, Python's tokenizer ignores the template's indentation.
    code = BytesIO(f"(\n{templatize(source, origin=path)}\n)".encode())
    for _line, text, _comments, context in extract("python", code, TEMPLATE_KEYWORDS, options={"encoding": "utf-8"}):
        singular, plural = text if isinstance(text, tuple) else (text, None)
        if singular:
            yield TranslatableText(text=singular, plural=plural, context=context, path=path)


def find_folder_texts(folder: Path, root: Path, *, is_project: bool) -> Iterator[TranslatableText]:
    """Yield the texts of every module and template below a folder, in a stable order."""
    for file in sorted(folder.rglob("*")):
        path = file.relative_to(root).as_posix()
        parts = file.relative_to(root).parts
        if path.startswith(SKIPPED) or not {"migrations", "tests", "__pycache__"}.isdisjoint(parts):
            continue
        if file.suffix == ".py":
            try:
                yield from find_python_texts(file.read_text(encoding="utf-8"), path)
            except UntranslatableTextError:
                if is_project:
                    raise
        elif file.suffix in (".html", ".txt") and "templates" in parts:
            yield from find_template_texts(file.read_text(encoding="utf-8"), path)


def find_package_folder(name: str) -> Path:
    """Return the folder of an installed package without importing it."""
    top, *below = name.split("/")
    spec = find_spec(top)
    if spec is None or not spec.submodule_search_locations:
        raise UntranslatableTextError(f"The package {top} is not installed. Install requirements/runtime.txt.")
    return Path(spec.submodule_search_locations[0], *below)


def read_package_translations() -> set[Key]:
    """Return the texts for which Django or a package has its own Simplified Chinese translation."""
    folders = [find_package_folder(f"django/{part}") for part in DJANGO_PARTS]
    folders += [find_package_folder(name) for name in PACKAGES if "/" not in name]
    translated_keys: set[Key] = set()
    for folder in folders:
        path = folder / "locale" / LANGUAGE / "LC_MESSAGES" / "django.mo"
        if not path.exists():
            continue
        with path.open("rb") as file:
            translations = gettext.GNUTranslations(file)
        for entry, translated in translations._catalog.items():  # type: ignore[attr-defined]
            text = entry[0] if isinstance(entry, tuple) else entry
            context, _, text = text.rpartition("\x04")
            if text and translated and text not in REPLACED_TEXTS:
                translated_keys.add((text, context or None))
    return translated_keys


def find_all_texts() -> list[TranslatableText]:
    """Return all texts of the project, then those of packages without a translation."""
    texts = [text for name in ROOMS for text in find_folder_texts(ROOT / name, ROOT, is_project=True)]
    translated_keys = read_package_translations()
    for name in PACKAGES:
        folder = find_package_folder(name)
        root = folder.parents[len(Path(name).parts) - 1]
        texts += [text for text in find_folder_texts(folder, root, is_project=False) if text.key not in translated_keys]
    return [text for text in texts if text.text.strip()]


def read_catalog(path: Path) -> Catalog:
    if not path.exists():
        return Catalog(locale=LANGUAGE, domain="django")
    with path.open("rb") as file:
        return read_po(file, locale=LANGUAGE, domain="django", abort_invalid=True)


def update_catalog(old: Catalog, texts: Iterable[TranslatableText]) -> Catalog:
    """Return a catalog of exactly the texts found, with their existing translations."""
    new = Catalog(locale=LANGUAGE, domain="django", project="Perennial", fuzzy=False)
    for text in texts:
        existing = old.get(text.text, text.context)
        message = new.get(text.text, text.context)
        if message is None:
            new.add(
                text.id,
                _fit_translation(existing, text),
                locations=[(text.path, 0)],
                context=text.context,
                flags=[flag for flag in existing.flags if flag == "fuzzy"] if existing else (),
            )
        elif (text.path, 0) not in message.locations:
            message.locations.append((text.path, 0))
    for message in new:
        message.locations.sort()  # as they are written, so that the file's order is the same after it was read and saved again
    return new


def _fit_translation(existing: Message | None, text: TranslatableText) -> str | tuple[str, ...]:
    """Return the existing translation in the right form: Chinese has one form for every number, so a plural has one string."""
    strings = _list_strings(existing) if existing else []
    first = strings[0] if strings else ""
    return (first,) if text.plural is not None else first


def _list_strings(message: Message) -> list[str]:
    string = message.string
    return [form or "" for form in string] if isinstance(string, list | tuple) else [string or ""]


def save_catalog(catalog: Catalog, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = BytesIO()
    write_po(buffer, catalog, width=120, sort_by_file=True, include_lineno=False, omit_header=True)
    header = 'msgid ""\nmsgstr ""\n"Language: zh_Hans\\n"\n"Content-Type: text/plain; charset=utf-8\\n"\n'
    header += '"Plural-Forms: nplurals=1; plural=0;\\n"\n\n'
    _replace(path, header.encode() + buffer.getvalue())


def compile_catalog(path: Path = CATALOG) -> Path:
    """Write the .mo file of a .po file; return its path."""
    compiled = path.with_suffix(".mo")
    buffer = BytesIO()
    write_mo(buffer, read_catalog(path))
    _replace(compiled, buffer.getvalue())
    return compiled


def _replace(path: Path, content: bytes) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_bytes(content)
    draft.replace(path)


def find_problems(catalog: Catalog, texts: Iterable[TranslatableText]) -> list[str]:
    """Return the problems of the catalog: missing translations, fuzzy ones, and placeholders that differ."""
    problems: dict[Key, str] = {}
    for text in texts:
        if text.key not in problems and (problem := _find_problem(catalog.get(text.text, text.context), text)):
            problems[text.key] = f"{text.path}: {text.text!r}: {problem}"
    return list(problems.values())


def _find_problem(message: Message | None, text: TranslatableText) -> str | None:
    if message is None:
        return "is not in the catalog (run --extract)"
    if message.fuzzy:
        return "is marked fuzzy"
    for string in _list_strings(message):
        if not string.strip():
            return "has no translation"
        expected = _find_placeholders(text.plural or text.text)
        if _find_placeholders(string) != expected:
            return f"its translation {string!r} must contain {', '.join(sorted(expected)) or 'no placeholder'}"
        if text.text.startswith("\n") != string.startswith("\n") or text.text.endswith("\n") != string.endswith("\n"):
            return "its translation starts or ends with a different line break"
    return None


def _find_placeholders(text: str) -> set[str]:
    return set(PLACEHOLDER.findall(text.replace("%%", "")))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m config.translations", description=(__doc__ or "").splitlines()[0])
    actions = parser.add_mutually_exclusive_group(required=True)
    actions.add_argument("--extract", action="store_true", help="update the .po file from the code")
    actions.add_argument("--compile", action="store_true", help="write the .mo file")
    actions.add_argument("--check", action="store_true", help="list texts without a valid translation")
    options = parser.parse_args(arguments)
    if options.compile:
        print(f"Wrote {compile_catalog().relative_to(ROOT)}.")
        return 0
    try:
        texts = find_all_texts()
    except UntranslatableTextError as error:
        print(error, file=sys.stderr)
        return 1
    if options.extract:
        save_catalog(update_catalog(read_catalog(CATALOG), texts), CATALOG)
        print(f"Wrote {CATALOG.relative_to(ROOT)}.")
        return 0
    problems = find_problems(read_catalog(CATALOG), texts)
    print("\n".join(problems) or "Every text has a Chinese translation.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
