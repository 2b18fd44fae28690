"""Makes the file of a request, gives it to whoever has its link, and deletes it when it expires."""

import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from config.foundation.shop.profile import get_shop
from customers.identity.models import Customer
from customers.privacy.export.bundle import BundleDetails, write_bundle
from customers.privacy.export.encrypted_file import (
    get_folder,
    get_partial_path,
    get_path,
    read_decrypted,
    write_encrypted,
)
from customers.privacy.export.people import build_person
from customers.privacy.models import PrivacyExport, PrivacyRequest, PrivacyRequestEntry, load_privacy_settings
from customers.privacy.requests.history import record_step

Step = PrivacyRequestEntry.Step
STRAY_AFTER = timedelta(days=1)  # longer than any file takes to write


class CustomerErasedError(Exception):
    """The customer was erased while the file was written."""


class ExportExpiredError(Exception):
    """The file was deleted, has expired or was downloaded as often as allowed."""


def export_customer(*, request: PrivacyRequest, customer: Customer, now: datetime, actor: str = "") -> PrivacyExport:
    """Write the file with everything about a customer; it can be downloaded until it expires.

    The record exists before the file, so that an erasure that begins meanwhile finds it.

    Raises:
        CustomerErasedError: the customer was erased before the file was complete; there is no file.
    """
    settings, shop = load_privacy_settings(), get_shop()
    with transaction.atomic():
        lock_customer(customer)
        export = PrivacyExport.objects.create(
            request=request,
            file_name=f"{uuid.uuid4()}.zip.encrypted",
            created_at=now,
            expires_at=now + timedelta(days=settings.export_days),
            downloads_left=0,  # until the file is complete
        )
    details = BundleDetails(
        reference=str(request.reference),
        created_at=now,
        language=request.language or shop.language,
        shop_name=shop.name,
    )
    try:
        with write_encrypted(export.file_name) as writer:
            export.rows = write_bundle(writer, person=build_person(customer), details=details)
        export.bytes, export.downloads_left = writer.bytes, settings.export_downloads
        with transaction.atomic():
            lock_customer(customer)
            export.save(update_fields=["rows", "bytes", "downloads_left"])
            written = {"rows": export.rows, "bytes": export.bytes}
            record_step(request, Step.EXPORTED, at=now, actor=actor, details=written)
    except BaseException:
        delete_export(export, now=timezone.now())
        raise
    return export


def lock_customer(customer: Customer) -> None:
    """Hold a customer until the end of the transaction. Raises CustomerErasedError if the customer is being erased, or was."""
    if not Customer.objects.select_for_update().filter(pk=customer.pk, erased_at=None).exists():
        raise CustomerErasedError


def is_being_written(*, begun_before: datetime) -> bool:
    """Return whether a file may still be written that was begun before a time; a process that was killed leaves one for a day."""
    begun = PrivacyExport.objects.filter(
        created_at__gt=begun_before - STRAY_AFTER, created_at__lte=begun_before, bytes=0
    )
    paths = [get_path(name) for name in begun.values_list("file_name", flat=True)]
    return any(path.exists() or get_partial_path(path).exists() for path in paths)


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
