"""Makes the file of a request, gives it to whoever has its link, and deletes it when it expires."""

import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from config.foundation.shop.profile import get_shop
from customers.identity.models import Customer
from customers.privacy.export.bundle import BundleDetails, write_bundle
from customers.privacy.export.encrypted_file import get_folder, get_path, read_decrypted, write_encrypted
from customers.privacy.export.people import build_person
from customers.privacy.models import PrivacyExport, PrivacyRequest, PrivacyRequestEntry, load_privacy_settings
from customers.privacy.requests.history import record_step

Step = PrivacyRequestEntry.Step
STRAY_AFTER = timedelta(days=1)  # longer than any file takes to write


class ExportExpiredError(Exception):
    """The file was deleted, has expired or was downloaded as often as allowed."""


def export_customer(*, request: PrivacyRequest, customer: Customer, now: datetime, actor: str = "") -> PrivacyExport:
    """Write the file with everything about a customer; it can be downloaded until it expires."""
    settings, shop = load_privacy_settings(), get_shop()
    file_name = f"{uuid.uuid4()}.zip.encrypted"
    details = BundleDetails(
        reference=str(request.reference),
        created_at=now,
        language=request.language or shop.language,
        shop_name=shop.name,
    )
    with write_encrypted(file_name) as writer:
        rows = write_bundle(writer, person=build_person(customer), details=details)
    with transaction.atomic():
        export = PrivacyExport.objects.create(
            request=request,
            file_name=file_name,
            created_at=now,
            expires_at=now + timedelta(days=settings.export_days),
            bytes=writer.bytes,
            rows=rows,
            downloads_left=settings.export_downloads,
        )
        record_step(request, Step.EXPORTED, at=now, actor=actor, details={"rows": rows, "bytes": writer.bytes})
    return export


def open_download(export: PrivacyExport, *, now: datetime, actor: str = "") -> Iterator[bytes]:
    """Count a download and return the content.

    Raises:
        ExportExpiredError: there is no file any more.
    """
    with transaction.atomic():
        taken = PrivacyExport.objects.filter(
            pk=export.pk, deleted_at=None, expires_at__gt=now, downloads_left__gt=0
        ).update(downloads_left=F("downloads_left") - 1)
        path = get_path(export.file_name)
        if not taken or not path.exists():
            raise ExportExpiredError
        record_step(export.request, Step.DOWNLOADED, at=now, actor=actor)
    return read_decrypted(path)


def delete_export(export: PrivacyExport, *, now: datetime) -> None:
    """Delete the file; the record of it stays."""
    get_path(export.file_name).unlink(missing_ok=True)
    PrivacyExport.objects.filter(pk=export.pk).update(deleted_at=now, downloads_left=0)


def purge_exports(*, now: datetime) -> int:
    """Delete all files that have expired, can no longer be downloaded or have no record; return their number."""
    expired = PrivacyExport.objects.filter(deleted_at=None, expires_at__lte=now)
    used_up = PrivacyExport.objects.filter(deleted_at=None, downloads_left=0, created_at__lte=now - timedelta(days=1))
    exports = list(expired) + [export for export in used_up if export.expires_at > now]
    for export in exports:
        delete_export(export, now=now)
    return len(exports) + delete_strays(now=now)


def delete_strays(*, now: datetime) -> int:
    """Delete files without a record, which a process leaves that is killed while it writes one; return their number."""
    strays = {path.name for path in get_folder().glob("*.zip.encrypted*")}
    strays -= set(PrivacyExport.objects.filter(deleted_at=None).values_list("file_name", flat=True))
    deleted = 0
    for name in sorted(strays):
        with suppress(FileNotFoundError):
            if get_path(name).stat().st_mtime < (now - STRAY_AFTER).timestamp():
                get_path(name).unlink()
                deleted += 1
    return deleted
