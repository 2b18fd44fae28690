"""Other users of the machine cannot read what Perennial stores, whatever the umask is."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile

from config.foundation.files.private_files import (
    DATABASE_FOLDER,
    keep_new_files_private,
    make_private_folder,
    make_tree_private,
)
from config.foundation.uploads import UploadFolder


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """Let new files be readable by everyone, as most systems do."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def get_mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_existing_folders_are_repaired(tmp_path: Path) -> None:
    var = tmp_path / "var"
    (var / "warehouse" / "events").mkdir(parents=True)
    files = [var / "secrets.txt", var / "warehouse" / "events" / "part.parquet"]
    for path in files:
        path.write_text("x")
    (var / "program").touch(mode=0o755)
    outside = tmp_path / "outside"
    outside.write_text("x")
    (var / "link").symlink_to(outside)
    assert make_tree_private(var) == 6
    assert make_tree_private(var) == 0
    assert {get_mode(path) for path in files} == {0o600}
    assert get_mode(var / "program") == 0o700
    assert {get_mode(path) for path in (var, var / "warehouse", var / "warehouse" / "events")} == {0o700}
    assert get_mode(outside) == 0o644


def test_the_files_of_postgresql_are_not_visited(tmp_path: Path) -> None:
    database = tmp_path / "var" / DATABASE_FOLDER
    database.mkdir(parents=True)
    (database / "file").write_text("x")
    make_tree_private(tmp_path / "var")
    assert get_mode(database / "file") == 0o644
    assert get_mode(tmp_path / "var") == 0o700


def test_a_database_of_another_user_stays_reachable(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can give files away")
    database = tmp_path / DATABASE_FOLDER
    database.mkdir()
    os.chown(database, 65534, 65534)
    make_tree_private(tmp_path)
    os.chmod(tmp_path, 0o755)
    make_tree_private(tmp_path)
    assert get_mode(tmp_path) == 0o701


def test_folders_above_a_database_of_another_user_stay_passable(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can give files away")
    database = tmp_path / "var" / "servers" / DATABASE_FOLDER
    database.mkdir(parents=True)
    (tmp_path / "var" / "models").mkdir()
    os.chown(database, 65534, 65534)
    make_tree_private(tmp_path / "var")
    modes = [get_mode(tmp_path / "var" / name) for name in ("", "servers", "models")]
    assert modes == [0o701, 0o701, 0o700]


def test_missing_folder_is_no_problem(tmp_path: Path) -> None:
    assert make_tree_private(tmp_path / "var") == 0


def test_new_folders_are_private_with_their_parents(tmp_path: Path) -> None:
    make_private_folder(tmp_path / "a" / "b")
    assert [get_mode(tmp_path / "a"), get_mode(tmp_path / "a" / "b")] == [0o700, 0o700]
    keep_new_files_private()
    (tmp_path / "c").mkdir()
    (tmp_path / "d").write_text("x")
    assert [get_mode(tmp_path / "c"), get_mode(tmp_path / "d")] == [0o700, 0o600]


def test_uploads_are_private(tmp_path: Path, settings: pytest.FixtureRequest) -> None:
    settings.EXPORTS_DIR = tmp_path / "exports"  # type: ignore[attr-defined]
    settings.MEDIA_ROOT = tmp_path / "media"  # type: ignore[attr-defined]
    uploads = UploadFolder("uploads", "feed")
    uploads.store_file(SimpleUploadedFile("feed.csv", b"x"))
    assert get_mode(uploads.path) == get_mode(tmp_path / "exports") == 0o700
    name = default_storage.save("folder/image.png", ContentFile(b"x"))
    assert [get_mode(tmp_path / "media" / name), get_mode(tmp_path / "media" / "folder")] == [0o600, 0o700]
