"""Files that staff upload for an import."""

import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.utils.text import get_valid_filename
from django.utils.translation import gettext as _

from config.foundation.database.direct_connection import is_pooled
from config.foundation.files.private_files import make_private_folder

# A web request imports files up to this size while the browser waits; a worker imports larger ones.
MAX_INLINE_BYTES = 5 * 1024 * 1024
MAX_NAME_LENGTH = 200


class StaffUploadHandler(FileUploadHandler):
    """Refuses files of anyone but back-office users, before a file is written; the first of FILE_UPLOAD_HANDLERS."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        user = getattr(self.request, "user", None)
        if user is None or not user.is_active or not user.is_staff:
            raise PermissionDenied(_("Log in to upload files."))

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        return raw_data

    def file_complete(self, file_size: int) -> None:
        """Leave the file to the next handler."""


class UploadedImport(Protocol):
    """The field of an import that names its uploaded file."""

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
        """Store an uploaded file under a unique name. Raises OSError; then nothing is kept."""
        original_name = (file.name or self.default_file_name)[-MAX_NAME_LENGTH:]
        path = self.path / f"{uuid.uuid4().hex}-{get_valid_filename(original_name)}"
        make_private_folder(path.parent)
        try:
            with path.open("wb") as stored:
                for chunk in file.chunks():
                    stored.write(chunk)
        except OSError:
            with suppress(OSError):
                path.unlink()  # a part of a file would only fill the disk further
            raise
        return StoredUpload(original_name, path.name)

    def get_path(self, record: UploadedImport) -> Path:
        return self.path / record.upload

    def is_large(self, record: UploadedImport) -> bool:
        """Return whether a worker has to import the file: always behind a pooler, because imports need a session of their own."""
        return is_pooled() or self.get_path(record).stat().st_size > MAX_INLINE_BYTES
