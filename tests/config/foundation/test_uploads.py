"""Uploaded files are stored and deleted."""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.test import Client, RequestFactory

from config.foundation.uploads import MAX_INLINE_BYTES, UploadFolder

NOW = datetime(2026, 5, 17, 12, tzinfo=UTC)


@dataclass
class ImportRecord:
    upload: str


@pytest.fixture
def folder(settings: Any, tmp_path: Path) -> UploadFolder:
    settings.EXPORTS_DIR = tmp_path
    return UploadFolder("test-uploads", "file")


def test_a_stored_file_has_a_unique_safe_name(folder: UploadFolder) -> None:
    first, second = (folder.store_file(SimpleUploadedFile("a b.csv", b"x")) for _ in range(2))
    assert first.original_name == second.original_name == "a b.csv"
    assert first.stored_name != second.stored_name
    assert first.stored_name.endswith("-a_b.csv")
    assert (folder.path / first.stored_name).read_bytes() == b"x"


def test_a_worker_imports_files_above_the_limit(folder: UploadFolder) -> None:
    small = folder.store_file(SimpleUploadedFile("a.csv", b"x" * MAX_INLINE_BYTES))
    large = folder.store_file(SimpleUploadedFile("b.csv", b"x" * (MAX_INLINE_BYTES + 1)))
    assert not folder.is_large(ImportRecord(upload=small.stored_name))
    assert folder.is_large(ImportRecord(upload=large.stored_name))


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/admin/login/", "/i18n/setlang/", "/admin/imports/new/orders/"])
def test_visitors_write_no_files(path: str, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path
    monkeypatch.setattr(TemporaryFileUploadHandler, "new_file", lambda *_args, **_options: pytest.fail("a file"))
    client = Client(enforce_csrf_checks=True)
    assert client.get("/admin/login/").status_code == 200  # sets the cookie without which no form is read
    response = client.post(path, {"file": SimpleUploadedFile("a.csv", b"x" * 3_000_000)})
    assert response.status_code == 403
    assert list(tmp_path.iterdir()) == []


@pytest.mark.django_db
def test_staff_write_files() -> None:
    request = RequestFactory().post("/", {"file": SimpleUploadedFile("a.csv", b"x" * 3_000_000)})
    request.user = User(is_staff=True, is_active=True)
    [upload] = request.FILES.values()
    with upload.open():
        assert upload.size == 3_000_000


def test_an_upload_that_does_not_fit_on_the_disk_leaves_no_part_of_its_file(
    folder: UploadFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_until_full(file: SimpleUploadedFile) -> Iterator[bytes]:
        yield b"x"
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(SimpleUploadedFile, "chunks", read_until_full)
    with pytest.raises(OSError, match="No space left"):
        folder.store_file(SimpleUploadedFile("a.csv", b"xy"))
    assert list(folder.path.iterdir()) == []
