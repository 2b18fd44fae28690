"""Fetches product files by URL on a schedule, and imports those that have changed."""

import logging
import uuid
from contextlib import suppress
from datetime import datetime, timedelta
from hashlib import file_digest
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction
from django.db.models import Max, Min, Q, QuerySet
from django.utils.text import get_valid_filename
from django.utils.translation import gettext as _

from catalog.models import FeedImport
from config.foundation.database.advisory_locks import AlreadyRunningError, exclusive_lock, find_locked
from config.foundation.files.gzip_files import DAMAGED_GZIP_ERRORS, is_gzip, open_bytes
from config.foundation.files.safe_download import CHUNK_BYTES, DownloadError, check_url, download_file
from config.foundation.job_runs import describe_error
from customers.imports import runs
from customers.imports.kinds.base import ImportFileError
from customers.imports.kinds.products import PRODUCTS
from customers.imports.models import FEED_STATES, ImportRun, ImportState, ScheduledFeed

logger = logging.getLogger(__name__)
# a feed with a larger share of rejected rows is more likely broken than right
MAX_REJECTED_SHARE = 0.5
RETRY = timedelta(hours=1)
RESULT_FIELDS = ("checked_at", "due_at", "error", "etag", "last_modified", "content_hash")


def validate_feed_url(url: str) -> None:
    """Raise ValidationError unless the URL may be fetched; its address is checked at every download."""
    try:
        check_url(url)
    except DownloadError as error:
        raise ValidationError(str(error)) from error


def fetch_due_feeds(*, at: datetime) -> int:
    """Fetch the enabled feeds that are due; return how many.

    A feed that fails unexpectedly does not stop the others; its error is raised when they are done.
    """
    due = ScheduledFeed.objects.filter(Q(due_at__isnull=True) | Q(due_at__lte=at), is_enabled=True).order_by("due_at")
    count, errors = 0, []
    for pk in list(due.values_list("pk", flat=True)):
        # read again, since a user may have changed it while the feeds before it were fetched
        feed = due.filter(pk=pk).first()
        if feed is None:
            continue
        try:
            fetch_feed(feed=feed, at=at)
            count += 1
        except Exception as error:
            logger.exception("Feed %s", feed.source)
            errors.append(error)
    if errors:
        raise errors[0]
    return count


def fetch_feed(*, feed: ScheduledFeed, at: datetime) -> ImportRun | None:
    """Fetch a feed, and import it if it has changed; return the import. ``feed.error`` says what prevented it.

    A feed whose process was killed is fetched again: importing a file twice changes nothing.
    """
    try:
        with exclusive_lock(name_feed_lock(feed.pk)):
            feed.error = ""
            run = download_and_import(feed, at=at)
    except AlreadyRunningError:
        return None
    except (DownloadError, ImportFileError, OSError) as error:
        run, feed.error = None, str(error)
        logger.warning("Feed %s: %s", feed.source, error)
    except Exception as error:
        feed.error = describe_error(error)
        with suppress(DatabaseError):  # the database itself may have failed
            save_result(feed, at=at)
        raise
    save_result(feed, at=at)
    return run


def name_feed_lock(pk: int) -> str:
    return f"imports.feed:{pk}"


def fail_interrupted_runs(*, at: datetime) -> int:
    """Mark the runs of feeds whose process was lost as failed; return their number. The feed is fetched again, with a run of its own."""
    open_runs = ImportRun.objects.filter(started_by=None, state__in=FEED_STATES)
    lost = {run.pk for run in runs.select_lost_runs(open_runs)}
    # a fetch holds the lock of its feed all the time, and that of its run only while it checks or imports the file
    fetched = dict(ScheduledFeed.objects.filter(last_run__in=lost).values_list("pk", "last_run"))
    locked = find_locked([name_feed_lock(pk) for pk in fetched])
    lost -= {run_id for pk, run_id in fetched.items() if name_feed_lock(pk) in locked}
    return open_runs.filter(pk__in=lost).update(
        state=ImportState.FAILED, error=_("The process stopped before the import finished."), finished_at=at
    )


def save_result(feed: ScheduledFeed, *, at: datetime) -> None:
    """Store the result of a fetch, and when the next one is due.

    A download can take half an hour, so only the fields of the result are written, and only if the feed is still the one that was fetched.
    """
    with transaction.atomic():
        stored = query_unchanged(feed).select_for_update().first()
        if stored is None:
            return
        interval = timedelta(hours=stored.interval_hours)  # a user may have changed it
        feed.checked_at, feed.due_at = at, at + (min(RETRY, interval) if feed.error else interval)
        if not feed.error and (price_change := find_price_change(feed)) is not None:
            feed.due_at = min(feed.due_at, max(price_change, at + RETRY))
        values = {name: getattr(feed, name) for name in RESULT_FIELDS}
        ScheduledFeed.objects.filter(pk=stored.pk).update(**values)


def query_unchanged(feed: ScheduledFeed) -> QuerySet[ScheduledFeed]:
    """Query the stored feed; there is none if a user has deleted it, or changed what is fetched, since it was read."""
    return ScheduledFeed.objects.filter(pk=feed.pk, url=feed.url, source=feed.source)


def download_and_import(feed: ScheduledFeed, *, at: datetime) -> ImportRun | None:
    price_change = find_price_change(feed)
    is_due = price_change is not None and price_change <= at  # then even the same file has other prices
    path = runs.UPLOADS.path / f"{uuid.uuid4().hex}-{get_valid_filename(name_file(feed.url))}"
    download = download_file(
        url=feed.url,
        path=path,
        max_bytes=settings.FEED_MAX_MB * 1024 * 1024,
        etag="" if is_due else feed.etag,
        last_modified="" if is_due else feed.last_modified,
        private_hosts=settings.FEED_PRIVATE_HOSTS,
    )
    if download.is_unchanged:
        return None
    unpack_file(path, max_bytes=settings.FEED_MAX_MB * 1024 * 1024)
    with path.open("rb") as file:
        content_hash = file_digest(file, "sha256").hexdigest()
    if content_hash == feed.content_hash and not is_due:
        path.unlink()
        feed.etag, feed.last_modified = download.etag, download.last_modified
        return None
    if not query_unchanged(feed).exists():
        path.unlink()
        return None
    run = create_feed_run(feed, stored_name=path.name, at=at)
    feed.last_run = run
    ScheduledFeed.objects.filter(pk=feed.pk).update(last_run=run)
    run = import_feed_run(run, at=at)
    # only now: a feed that could not be imported is imported again even if it has not changed
    feed.etag, feed.last_modified, feed.content_hash = download.etag, download.last_modified, content_hash
    return run


def find_price_change(feed: ScheduledFeed) -> datetime | None:
    """Return when the next sale that was in an imported file of the source starts or ends, after the last import."""
    imported = ImportRun.objects.filter(kind=PRODUCTS.key, source=feed.source, state=ImportState.IMPORTED)
    records = FeedImport.objects.filter(pk__in=imported.order_by().values("record_id"))
    last = records.aggregate(last=Max("started_at"))["last"]
    if last is None:
        return None
    change: datetime | None = records.filter(prices_change_at__gt=last).aggregate(change=Min("prices_change_at"))[
        "change"
    ]
    return change


def unpack_file(path: Path, *, max_bytes: int) -> None:
    """Unpack a file if it is compressed with gzip. Raises ImportFileError if it is damaged or too large."""
    if not is_gzip(path):
        return
    draft, size = path.with_name(f"{path.name}.part"), 0
    try:
        with open_bytes(path) as packed, draft.open("wb") as file:
            while chunk := packed.read(CHUNK_BYTES):
                size += len(chunk)
                if size > max_bytes:
                    raise ImportFileError(
                        _("The file is larger than %(max)d MB.") % {"max": max_bytes // (1024 * 1024)}
                    )
                file.write(chunk)
        draft.replace(path)
    except DAMAGED_GZIP_ERRORS as error:
        raise ImportFileError(_("The compressed file is damaged or incomplete. Try again later.")) from error
    finally:
        draft.unlink(missing_ok=True)


def name_file(url: str) -> str:
    """Return the name of the file of a URL, without the ending of a compressed one."""
    parts = urlsplit(url)
    return PurePosixPath(parts.path).name.removesuffix(".gz") or str(parts.hostname)


def create_feed_run(feed: ScheduledFeed, *, stored_name: str, at: datetime) -> ImportRun:
    """Store the import of a downloaded file. Raises ImportFileError if the file cannot be read or lacks a required column."""
    run = ImportRun(
        kind=PRODUCTS.key,
        source=feed.source,
        file_name=name_file(feed.url),
        upload=stored_name,
        created_at=at,
        started_at=at,
        options=find_options(feed),
    )
    try:
        runs.propose_mapping(run, runs.read_run_sample(run, encoding=run.options.get("encoding", "")))
        if missing := PRODUCTS.find_missing_fields(run.mapping, run.preset):
            raise ImportFileError(
                _("The feed has no column for: %(fields)s. Import the file once by hand to match its columns.")
                % {"fields": ", ".join(map(str, missing))}
            )
    except ImportFileError:
        runs.get_path(run).unlink(missing_ok=True)
        raise
    run.save()
    return run


def find_options(feed: ScheduledFeed) -> dict[str, Any]:
    """Return the options of the last import of the feed's source, without the force option: it is a decision about one file."""
    last = ImportRun.objects.filter(kind=PRODUCTS.key, source=feed.source, finished_at__isnull=False).first()
    return {name: value for name, value in last.options.items() if name != "force"} if last is not None else {}


def import_feed_run(run: ImportRun, *, at: datetime) -> ImportRun:
    """Check a file and import it. Raises ImportFileError if it cannot be read, or if most of its rows are rejected."""
    runs.begin(run, ImportState.CHECKING, allowed=(ImportState.UPLOADED,))
    run = runs.check_run(run_id=run.pk, at=at)
    if run.state != ImportState.CHECKED:
        raise ImportFileError(run.error)
    if run.rejected > MAX_REJECTED_SHARE * run.rows:
        raise ImportFileError(
            _("%(rejected)d of %(rows)d rows have problems, which is more than half. The feed was not imported.")
            % {"rejected": run.rejected, "rows": run.rows}
        )
    runs.begin(run, ImportState.IMPORTING, allowed=(ImportState.CHECKED,))
    run = runs.import_run(run_id=run.pk, at=at)
    if run.state != ImportState.IMPORTED:
        raise ImportFileError(run.error)
    return run
