"""Static files get a hash in their names, are compressed once, and survive an interrupted collection."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import brotli
import pytest
from django.contrib.staticfiles import finders
from django.http import HttpResponse
from django.test import RequestFactory, override_settings

from config.http import static_files
from config.http.static_files import (
    CollectedFilesStorage,
    StaticFilesMiddleware,
    collect_static_files,
)
from tests.collected_files import collect_uncompressed

SCRIPT = 'import { price } from "./shop.js"\n' + "console.log(price)\n" * 100


@pytest.fixture
def sources(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder that is the only source of static files."""
    folder = tmp_path / "sources"
    (folder / "storefront" / "pages").mkdir(parents=True)
    (folder / "storefront" / "shop.js").write_text("export const price = 3\n")
    (folder / "storefront" / "card.js").write_text(SCRIPT)
    (folder / "storefront" / "pages" / "home.js").write_text('import { x } from "../card.js"\n')
    (folder / "shop.css").write_text('body { background: url("dot.png") }\n')
    (folder / "dot.png").write_bytes(b"\x89PNG")
    (folder / "shop.css.map").write_text("{}")
    with override_settings(
        STATICFILES_DIRS=[folder], STATICFILES_FINDERS=["django.contrib.staticfiles.finders.FileSystemFinder"]
    ):
        finders.get_finder.cache_clear()
        yield folder
    finders.get_finder.cache_clear()


def read_paths(root: Path) -> dict[str, str]:
    paths: dict[str, str] = json.loads((root / "staticfiles.json").read_bytes())["paths"]
    return paths


def make_middleware(root: Path, **options: Any) -> StaticFilesMiddleware:
    with override_settings(STATIC_ROOT=root, WHITENOISE_USE_FINDERS=False, **options):
        return StaticFilesMiddleware(lambda request: HttpResponse("page"))


def test_files_get_hashed_names_also_where_they_name_each_other(sources: Path, tmp_path: Path) -> None:
    root = tmp_path / "static"
    assert collect_static_files(root)
    paths = read_paths(root)
    assert set(paths) == {
        "shop.css", "dot.png", "storefront/shop.js", "storefront/card.js", "storefront/pages/home.js"
    }  # fmt: skip
    assert Path(paths["storefront/shop.js"]).name in (root / paths["storefront/card.js"]).read_text()
    assert f'"../{Path(paths["storefront/card.js"]).name}"' in (root / paths["storefront/pages/home.js"]).read_text()
    assert f'url("{paths["dot.png"]}")' in (root / paths["shop.css"]).read_text()
    assert brotli.decompress((root / (paths["storefront/card.js"] + ".br")).read_bytes()).startswith(b"import")
    assert not (root / "storefront" / "card.js").exists()


def test_a_change_of_a_module_renames_all_that_import_it(sources: Path, tmp_path: Path) -> None:
    root = tmp_path / "static"
    collect_static_files(root)
    before = read_paths(root)
    assert not collect_static_files(root)
    (sources / "storefront" / "shop.js").write_text("export const price = 42\n")
    assert collect_static_files(root)
    after = read_paths(root)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"storefront/shop.js", "storefront/card.js", "storefront/pages/home.js"}
    assert not (root / (before["storefront/card.js"] + ".br")).exists()


def test_only_changed_files_are_compressed_again(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (sources / "other.css").write_text("p { color: red }\n" * 100)
    (sources / "shop.css").write_text("a { color: red }\n" * 100)
    root = tmp_path / "static"
    collect_static_files(root)
    compressed: list[bytes] = []
    compress = brotli.compress
    monkeypatch.setattr(
        static_files.brotli, "compress", lambda data, **options: compressed.append(data) or compress(data, **options)
    )
    changed = "a { color: blue }\n" * 100
    (sources / "shop.css").write_text(changed)
    other = root / (read_paths(root)["other.css"] + ".br")
    other.with_suffix(".gz").unlink()  # as after an interruption
    collect_static_files(root)
    assert changed.encode() in compressed
    assert not any(b"console.log" in data for data in compressed)  # card.js
    assert other.is_file()
    assert other.with_suffix(".gz").is_file()
    for name in ("shop.css", "other.css", "storefront/card.js"):
        path = root / read_paths(root)[name]
        assert brotli.decompress(path.with_name(path.name + ".br").read_bytes()) == path.read_bytes()


def test_an_interrupted_collection_changes_nothing_and_is_repaired(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "static"
    collect_static_files(root)
    before = read_paths(root)
    (sources / "shop.css").write_text("body { color: red }\n")
    replaced: list[str] = []

    def replace_one(source: Any, target: Any) -> None:
        if replaced:
            raise KeyboardInterrupt
        replaced.append(str(target))

    with monkeypatch.context() as patched:
        patched.setattr(static_files.os, "replace", replace_one)
        with pytest.raises(KeyboardInterrupt):
            collect_static_files(root)
    assert read_paths(root) == before
    assert all((root / name).is_file() for name in before.values())
    (root / ".draft").mkdir()  # what a killed process leaves behind
    (root / ".draft" / "shop.css").write_text("half")
    assert collect_static_files(root)
    assert "red" in (root / read_paths(root)["shop.css"]).read_text()
    assert not (root / ".draft").exists()


@pytest.mark.parametrize("damage", ["truncated manifest", "missing file"])
def test_a_damaged_collection_is_repaired(sources: Path, tmp_path: Path, damage: str) -> None:
    root = tmp_path / "static"
    collect_static_files(root)
    if damage == "missing file":
        (root / read_paths(root)["shop.css"]).unlink()
    else:
        os.truncate(root / "staticfiles.json", 20)
    assert collect_static_files(root)
    assert (root / read_paths(root)["shop.css"]).is_file()


def test_files_of_others_stay_in_the_folder(sources: Path, tmp_path: Path) -> None:
    root = tmp_path / "static"
    root.mkdir()
    (root / "logo.png").write_bytes(b"ours")
    collect_static_files(root)
    (sources / "dot.png").unlink()
    (sources / "shop.css").unlink()
    collect_static_files(root)
    assert (root / "logo.png").read_bytes() == b"ours"
    assert not list(root.glob("dot.*"))


@pytest.mark.django_db  # closing a response of Django closes old connections
def test_browsers_keep_collected_files_for_a_year(
    sources: Path, tmp_path: Path, rf: RequestFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "static"
    collect_static_files(root)
    storage = CollectedFilesStorage(location=str(root), base_url="/static/")
    monkeypatch.setattr("whitenoise.middleware.staticfiles_storage", storage)
    middleware = make_middleware(root)
    url = storage.url("storefront/card.js")
    for encoding in ("br", "gzip"):
        response = middleware(rf.get(url, headers={"accept-encoding": encoding}))
        assert response["Content-Encoding"] == encoding
        assert response["Cache-Control"] == "public, max-age=31536000, immutable"
        assert "Accept-Encoding" in response["Vary"]
        response.close()
    plain = middleware(rf.get(url))
    assert "Content-Encoding" not in plain
    plain.close()
    same = middleware(rf.get(url, headers={"if-none-match": plain["ETag"]}))
    assert same.status_code == 304


def test_files_that_were_not_collected_keep_their_names(sources: Path, tmp_path: Path) -> None:
    storage = CollectedFilesStorage(location=str(tmp_path / "nothing"), base_url="/static/")
    assert storage.url("storefront/card.js") == "/static/storefront/card.js"


def test_the_files_of_all_apps_can_be_collected(tmp_path: Path) -> None:
    root = collect_uncompressed(tmp_path / "static")
    paths = read_paths(root)
    assert {"plotly/plotly.min.js", "unfold/css/styles.css", "storefront/pages/home.js"} <= paths.keys()
    assert not any("widgetbundle" in name or name.endswith(".map") or "datasets" in name for name in paths)
    for name in paths:
        if name.startswith("storefront/") and name.endswith(".js"):
            text = (root / paths[name]).read_text()
            imports = re.findall(r'(?:from|import) "(\.[^"]+)"', text)
            missing = [
                target for target in imports if not (root / paths[name]).parent.joinpath(target).resolve().is_file()
            ]
            assert not missing, (name, missing)
    assert not collect_static_files(root)  # nothing changed
