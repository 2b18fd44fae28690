"""Files that staff upload for an import: stored, checked by a dry run, then imported after confirmation."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.utils.text import get_valid_filename
from django.utils.translation import gettext as _

from config.foundation.files.private_files import make_private_folder
from config.foundation.job_runs import FileImport

# A web request imports files up to this size while the browser waits; a worker imports larger ones.
MAX_INLINE_BYTES = 5 * 1024 * 1024
RETENTION = timedelta(days=7)
MAX_NAME_LENGTH = 200


class StaffUploadHandler(FileUploadHandler):
    """Refuses files of anyone but back-office users, before a file is written; the first of FILE_UPLOAD_HANDLERS."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        user = getattr(self.request, "user", None)
        if user is None or not user.is_active or not user.is_staff:
            raise PermissionDenied(_("Sign in to upload files."))

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        return raw_data

    def file_complete(self, file_size: int) -> None:
        """Leave the file to the next handler."""


class UploadedImport(Protocol):
    """The fields of an import record that describe its uploaded file."""

    dry_run: bool
    finished_at: datetime | None
    error: str
    upload: str


@dataclass(frozen=True)
class StoredUpload:
    """The name under which a file was uploaded, and the name under which it is stored."""

    original_name: str
    stored_name: str


@dataclass(frozen=True)
class UploadFolder:
    """A folder below ``EXPORTS_DIR`` that holds the uploads of one type of import."""

    name: str
    default_file_name: str

    @property
    def path(self) -> Path:
        return Path(settings.EXPORTS_DIR) / self.name

    def store_file(self, file: UploadedFile) -> StoredUpload:
        """Store an uploaded file under a unique name. Raises OSError."""
        original_name = (file.name or self.default_file_name)[-MAX_NAME_LENGTH:]
        path = self.path / f"{uuid.uuid4().hex}-{get_valid_filename(original_name)}"
        make_private_folder(path.parent)
        with path.open("wb") as stored:
            for chunk in file.chunks():
                stored.write(chunk)
        return StoredUpload(original_name, path.name)

    def create_dry_run[Import: FileImport](
        self, model: type[Import], *, file: UploadedFile, options: dict[str, Any], at: datetime, **fields: Any
    ) -> Import:
        """Store an uploaded file and return the record of its dry run, which the caller starts. Raises OSError.

        Args:
            options: the options of the import, as JSON.
            fields: further fields of the record.
        """
        stored = self.store_file(file)
        return model._default_manager.create(
            file_name=stored.original_name,
            upload=stored.stored_name,
            options=options,
            dry_run=True,
            started_at=at,
            **fields,
        )

    def get_path(self, record: UploadedImport) -> Path:
        return self.path / record.upload

    def is_large(self, record: UploadedImport) -> bool:
        """Return whether a worker has to import the file."""
        return self.get_path(record).stat().st_size > MAX_INLINE_BYTES

    def can_confirm(self, record: UploadedImport) -> bool:
        """Return whether a dry run read its whole file and the file still exists."""
        is_complete = record.dry_run and record.finished_at is not None and not record.error
        return is_complete and bool(record.upload) and self.get_path(record).is_file()

    def delete_imported(self, record: UploadedImport) -> None:
        """Delete the file of a finished import; a dry run keeps its file for the confirmation."""
        if not record.dry_run:
            self.get_path(record).unlink(missing_ok=True)

    def delete_expired(self, *, at: datetime) -> int:
        """Delete the files that were not confirmed within ``RETENTION``; return their number."""
        if not self.path.is_dir():
            return 0
        oldest = (at - RETENTION).timestamp()
        expired = [path for path in self.path.iterdir() if path.is_file() and path.stat().st_mtime < oldest]
        for path in expired:
            path.unlink(missing_ok=True)
        return len(expired)


def create_confirmed_import[Import: FileImport](
    *, dry_run: Import, at: datetime, copied_fields: Sequence[str] = ()
) -> Import:
    """Return the record of the real import that follows a dry run; ``copied_fields`` are further fields of the model."""
    copied = {name: getattr(dry_run, name) for name in ("file_name", "upload", "options", *copied_fields)}
    return type(dry_run)._default_manager.create(dry_run=False, started_at=at, **copied)
