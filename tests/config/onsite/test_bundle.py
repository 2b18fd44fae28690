"""The on-site script: small, cached by the hash in its name, readable by pages of every host, and kept after updates."""

import base64
import gzip
import re
import shutil
import subprocess
from hashlib import sha384
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from config.onsite.bundle import build_bundle, get_archive, get_bundle

MAX_CORE_BYTES = 10_000


@pytest.fixture(autouse=True)
def archive(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    build_bundle.cache_clear()


def test_the_core_has_at_most_10_kb() -> None:
    assert len(gzip.compress(get_bundle().core.content, 6)) <= MAX_CORE_BYTES


def test_files_with_a_hash_are_kept_for_a_year_and_others_for_minutes(client: Client) -> None:
    bundle = get_bundle()
    for name in bundle.files:
        response = client.get(f"/perennial/v1/{name}")
        assert "immutable" in response["Cache-Control"], name
    for name, file in (("perennial.js", bundle.core), ("perennial.mjs", bundle.module)):
        response = client.get(f"/perennial/v1/{name}")
        assert response.content == file.content
        assert response["Cache-Control"].startswith("public, max-age=300")


def test_pages_of_every_host_can_load_the_files(client: Client) -> None:
    response = client.get("/perennial/v1/perennial.mjs", headers={"origin": "https://shop.example"})
    assert response["Access-Control-Allow-Origin"] == "*"
    assert response["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert response["Content-Type"].startswith("text/javascript")
    assert "Set-Cookie" not in response


def test_the_core_names_its_parts_with_their_integrity_hashes() -> None:
    bundle = get_bundle()
    text = bundle.core.content.decode()
    for part in bundle.parts.values():
        assert part.name in text
        assert "sha384-" + base64.b64encode(sha384(part.content).digest()).decode() in text


def test_a_version_that_a_page_names_stays_available_after_an_update(client: Client) -> None:
    get_bundle()
    name = "perennial.0123456789abcdef.js"
    (get_archive() / name).write_text("// an earlier version\n")
    assert client.get(f"/perennial/v1/{name}").content == b"// an earlier version\n"
    assert client.get("/perennial/v1/perennial.fedcba9876543210.js").status_code == 404


@pytest.mark.parametrize("name", ["..%2Fsecrets%2Fsecret-key", "secret-key", "perennial.css"])
def test_no_other_file_can_be_read(client: Client, name: str) -> None:
    get_archive().mkdir(parents=True)
    (get_archive() / "secret-key").write_text("secret")
    assert client.get(f"/perennial/v1/{name}").status_code == 404


def test_the_script_needs_no_eval_no_inline_style_and_no_html_from_data() -> None:
    for file in get_bundle().files.values():
        forbidden = re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", file.content.decode()
        )
        assert not forbidden, file.name


def test_the_files_are_valid_javascript(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed")
    paths = []
    for file in get_bundle().files.values():
        paths.append(tmp_path / file.name)
        paths[-1].write_bytes(file.content)
    for path in paths:
        checked = subprocess.run([node, "--check", path], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr
