"""Builds the website: ``python -m config.docs_site [--output DIR]``, part of ``make docs``. A warning fails the build."""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from config.docs_site.navigation import ENGLISH_ONLY, SECTIONS
from config.docs_site.staging import REFERENCE_BOOST, ROOT, DocsLanguage, boost_in_search, stage_pages

THEME = Path(__file__).parent / "theme"
MARKDOWN = ["admonition", "attr_list", "md_in_html", "tables", "toc", "pymdownx.superfences", "pymdownx.highlight"]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--output", type=Path, default=ROOT / "var" / "docs")
    output: Path = arguments.parse_args().output.resolve()
    version, title = read_version()
    references = read_references()
    languages = [
        DocsLanguage("en", "English", ""),
        DocsLanguage("zh-hans", "简体中文", ".zh-hans", english_site=f"../../en/{version}/"),
    ]
    with TemporaryDirectory() as folder:
        configurations = []
        for language in languages:
            source = Path(folder) / language.code
            names = stage_pages(source, language)
            write_reference_pages(source, references[language.code])
            nav = build_navigation(language, names, sorted(references[language.code]))
            target = output / language.code / version
            configuration = source.with_suffix(".json")
            configuration.write_text(json.dumps(configure(language, languages, source, target, nav, version)))
            configurations.append(configuration)
        processes = [start_build(configuration) for configuration in configurations]
        statuses = [process.wait() for process in processes]
    failed = any(statuses)
    for language in languages:
        write_versions(output / language.code, version, title)
    shutil.copy(THEME / "index.html", output / "index.html")
    print(f"{'Failed' if failed else 'Built'}: {output}")
    return int(failed)


def read_version() -> tuple[str, str]:
    """Return the version of this source code and its title, from the changelog."""
    match = re.search(r"^## ([\d.]+)(.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    if match is None:
        raise SystemExit("CHANGELOG.md has no version. Add a heading such as '## 1.0.0'.")
    return match[1], f"{match[1]} ({match[2].strip(' —')})" if match[2].strip(" —") else match[1]


def read_references() -> dict[str, dict[str, str]]:
    """Return the pages of the REST reference by language and name; texts that have a translation are in the page's language."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    from django.utils.translation import override

    from config.api_clients.document import build_document
    from config.api_clients.operations import read_document
    from config.docs_site.reference import LABELS, write_reference

    references = {}
    for language in LABELS:
        with override(language):
            references[language] = write_reference(read_document(build_document()), language)
    return references


def write_reference_pages(source: Path, pages: dict[str, str]) -> None:
    (source / "reference").mkdir()
    for name, text in pages.items():
        (source / "reference" / f"{name}.md").write_text(boost_in_search(text, REFERENCE_BOOST), encoding="utf-8")


def build_navigation(language: DocsLanguage, names: list[str], reference: list[str]) -> list[Any]:
    """Return MkDocs' nav; a page in no section is left out, and MkDocs warns about it."""
    is_english = language.is_english
    nav: list[Any] = ["index.md"]
    nav += [
        {section.english if is_english else section.chinese: [f"{page}.md" for page in section.pages]}
        for section in SECTIONS
    ]
    others = [name for name in reference if name not in ("index", "types")]
    pages = [f"reference/{name}.md" for name in ("index", *others, "types")]
    nav.append({"REST reference" if is_english else "REST 接口参考": pages})
    if is_english:
        decisions = sorted(path.name for path in (ROOT / "docs" / "decisions").glob("*.md"))
        nav.append({"Decisions": ["decisions/index.md", *(f"decisions/{name}" for name in decisions)]})
        nav += [f"{name}.md" for name in ENGLISH_ONLY if name in names]
    return nav


def configure(
    language: DocsLanguage, languages: list[DocsLanguage], source: Path, target: Path, nav: list[Any], version: str
) -> dict[str, Any]:
    """Return the configuration of MkDocs. Nothing is loaded from other servers."""
    alternate = [
        {"name": other.name, "lang": other.code, "link": f"../../{other.code}/{version}/"} for other in languages
    ]
    slugs = {"toc": {"permalink": True, "slugify": {"!!": "slugs"}}}
    return {
        **{"site_name": "Perennial", "docs_dir": str(source), "site_dir": str(target), "use_directory_urls": False},
        "theme": {
            **{"name": "material", "language": "en" if language.is_english else "zh", "font": False},
            "custom_dir": str(THEME),
            "features": [
                "navigation.top",
                "navigation.sections",
                "navigation.prune",
                "search.highlight",
                "search.suggest",
            ],
        },
        "plugins": [{"search": {"lang": ["en"] if language.is_english else ["zh", "en"]}}],
        "markdown_extensions": [slugs if name == "toc" else name for name in MARKDOWN],
        "validation": {"nav": {"omitted_files": "warn"}, "links": {"anchors": "warn", "not_found": "warn"}},
        "extra": {"alternate": alternate, "version": {"provider": "mike"}, "generator": False},
        "nav": nav,
    }


def start_build(configuration: Path) -> subprocess.Popen[bytes]:
    """Start MkDocs; a YAML tag in its configuration names the function that makes anchors from headings."""
    text = configuration.read_text().replace(
        '{"!!": "slugs"}', "!!python/object/apply:pymdownx.slugs.slugify {kwds: {case: lower}}"
    )
    configuration.write_text(text)
    command = [sys.executable, "-W", "ignore", "-m", "mkdocs", "build", "--strict", "--quiet", "--clean"]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "true", "DISABLE_MKDOCS_2_WARNING": "true"}
    return subprocess.Popen([*command, "--config-file", str(configuration)], env=environment)


def write_versions(folder: Path, version: str, title: str) -> None:
    """List the versions in the folder, the newest first, for the menu of versions."""
    names = sorted(
        (path.name for path in folder.iterdir() if path.is_dir()),
        key=lambda name: [int(part) for part in name.split(".")],
        reverse=True,
    )
    entries = [{"version": name, "title": title if name == version else name, "aliases": []} for name in names]
    (folder / "versions.json").write_text(json.dumps(entries))


if __name__ == "__main__":
    raise SystemExit(main())
