"""The files of the warehouse: written to a staging folder, then renamed; each contains its fingerprint."""

import errno
import json
import logging
import os
import re
import shutil
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from customers.warehouse.tables import WarehouseTable

logger = logging.getLogger(__name__)

STAGING = ".staging"
PART_NAME = "part.parquet"
METADATA_KEY = b"perennial"
THROUGH_KEY = b"perennial-through"
# `append-<first>-<last>`: the rows of the appends with these numbers
APPENDED = re.compile(r"append-(\d{12})-(\d{12})\.parquet")
# a running query may still open a file that has been replaced
GRACE_SECONDS = 15 * 60


class WarehouseWriteError(Exception):
    """Writing to the warehouse folder failed; its existing files are untouched."""

    def __init__(self, folder: Path, error: OSError) -> None:
        reason = {
            errno.ENOSPC: "the disk is full",
            errno.EDQUOT: "the disk quota is used up",
            errno.EFBIG: "the file would exceed the size limit",
            errno.EACCES: "this user has no write permission",
            errno.EROFS: "the disk is read-only",
        }.get(error.errno or 0, str(error))
        super().__init__(
            f"The warehouse in {folder} could not be written: {reason}. The files of the last export are untouched. "
            "Free disk space or set WAREHOUSE_URL to another folder, then run `manage.py export_warehouse` again."
        )
        self.folder = folder


@dataclass(frozen=True)
class Fingerprint:
    """Identifies the rows of a file: equal fingerprints mean equal rows."""

    rows: int
    checksum: str
    schema: str


def get_warehouse_root() -> Path:
    """Return the folder of WAREHOUSE_URL, a path or a file: URL.

    Raises:
        ImproperlyConfigured: the URL is not on this machine.
    """
    url = str(settings.WAREHOUSE_URL)
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return Path(parts.path)
    if "://" in url:
        raise ImproperlyConfigured(
            f"WAREHOUSE_URL={url!r}: only a local folder is supported. Use a path such as "
            "/srv/perennial/warehouse (object storage can be mounted there), or unset it for var/warehouse."
        )
    return Path(url).expanduser().resolve()


def build_part_path(root: Path, table: WarehouseTable, day: str | None) -> Path:
    folder = root / table.name
    return (folder / f"date={day}" if day else folder) / PART_NAME


def read_fingerprint(path: Path) -> Fingerprint | None:
    """Return the fingerprint of a file.

    None if the file is missing or unreadable, so that it is rewritten.
    """
    try:
        metadata = pq.read_metadata(path).metadata or {}
        return Fingerprint(**json.loads(metadata[METADATA_KEY]))
    except (FileNotFoundError, pa.ArrowInvalid, KeyError, ValueError, TypeError):
        return None


def list_days(root: Path, table: WarehouseTable) -> set[str]:
    folder = root / table.name
    return {entry.name.removeprefix("date=") for entry in folder.glob("date=*")} if folder.is_dir() else set()


def build_append_path(root: Path, table: WarehouseTable, day: str, first: int, last: int) -> Path:
    return root / table.name / f"date={day}" / f"append-{first:012d}-{last:012d}.parquet"


def parse_append_range(path: Path) -> tuple[int, int]:
    """Return the first and the last append number in the name of a file."""
    match = APPENDED.fullmatch(path.name)
    assert match is not None
    return int(match[1]), int(match[2])


def list_current_files(root: Path, table: WarehouseTable) -> dict[str, list[Path]]:
    """Return the files of each day that together contain each row once.

    The exported file comes first, then the appended ones.
    """
    current_files: dict[str, list[Path]] = {}
    for day in sorted(list_days(root, table)):
        files = _select_current(_list_day_files(root, table, day))
        if files:
            current_files[day] = files
    return current_files


def _list_day_files(root: Path, table: WarehouseTable, day: str) -> list[Path]:
    try:
        names = sorted(os.listdir(root / table.name / f"date={day}"))
    except FileNotFoundError:  # an export has removed it
        return []
    known = [name for name in names if name == PART_NAME or APPENDED.fullmatch(name)]
    return [root / table.name / f"date={day}" / name for name in known]


def _select_current(files: list[Path]) -> list[Path]:
    part = [path for path in files if path.name == PART_NAME]
    appended = [path for path in files if path.name != PART_NAME]
    if not appended:
        return part
    covered_until = read_last_append(part[0]) if part else 0
    current = []
    # sorted by first number, the longest range first: a file inside the range of another one is superseded
    for path in sorted(appended, key=lambda path: (parse_append_range(path)[0], -parse_append_range(path)[1])):
        if parse_append_range(path)[1] > covered_until:
            covered_until = parse_append_range(path)[1]
            current.append(path)
    return part + current


def read_last_append(path: Path) -> int:
    """Return the last append whose rows are in an exported file."""
    try:
        metadata = pq.read_metadata(path).metadata or {}
        return int(metadata.get(THROUGH_KEY, b"0"))
    except (FileNotFoundError, pa.ArrowInvalid, ValueError):
        return 0


def remove_superseded_files(root: Path, table: WarehouseTable, *, grace_seconds: float = GRACE_SECONDS) -> None:
    """Delete files whose rows are in other files, once no query can still be reading them."""
    if table.moment is None:
        return
    oldest = time.time() - grace_seconds
    with translate_write_errors(root):
        for day in list_days(root, table):
            files = _list_day_files(root, table, day)
            if len(files) < 2:
                continue
            live = set(_select_current(files))
            # a query lists the files first and opens them later; it may have listed them before the newest one replaced others
            newest = max(path.stat().st_mtime for path in live)
            for path in files:
                if path not in live and newest <= oldest:
                    path.unlink(missing_ok=True)


def flush_to_disk(path: Path) -> None:
    """Write a file, or the names in a folder, to the disk; otherwise a power failure can leave an empty file under the final name."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_damaged_appends(root: Path, table: WarehouseTable) -> int:
    """Delete the appended files that cannot be read, because each would make every query of the table fail; return how many.

    The database still has their rows; the next export writes them.
    """
    if table.moment is None:
        return 0
    files = [path for day in list_days(root, table) for path in _list_day_files(root, table, day)]
    return sum(remove_if_damaged(path) for path in files if path.name != PART_NAME)


def remove_if_damaged(path: Path) -> bool:
    """Delete a file of appended rows if it cannot be read, and say so in the log; return whether it was deleted."""
    if not is_damaged(path):
        return False
    with translate_write_errors(path.parent):
        path.unlink(missing_ok=True)
    logger.error(
        "%s is damaged, as after a power failure, and was deleted. Its events are in the database; some of them are missing in reports "
        "until the next export, which `manage.py export_warehouse` starts.",
        path,
    )
    return True


def is_damaged(path: Path) -> bool:
    """Return whether a file exists and is not a complete Parquet file."""
    try:
        pq.read_metadata(path)
    except FileNotFoundError:
        return False
    except pa.ArrowInvalid:
        return True
    except OSError as error:
        if error.errno is not None:  # the disk or the permissions, which say nothing about the content
            raise
        return True
    return False


class ExportStaging:
    """The files of one export, written to a staging folder and published together at the end."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / STAGING
        self.written: list[Path] = []

    def __enter__(self) -> "ExportStaging":
        with translate_write_errors(self.root):
            if self.folder.exists():  # left by a killed export; the lock guarantees that no other export is running
                shutil.rmtree(self.folder)
            self.folder.mkdir(parents=True)
        return self

    def __exit__(self, *details: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def write(
        self,
        target: Path,
        schema: pa.Schema,
        batches: Iterable[pa.Table],
        fingerprint: Fingerprint,
        *,
        through: int = 0,
    ) -> None:
        draft = self.folder / target.relative_to(self.root)
        schema = schema.with_metadata(
            {METADATA_KEY: json.dumps(asdict(fingerprint)).encode(), THROUGH_KEY: str(through).encode()}
        )
        with translate_write_errors(self.root):
            draft.parent.mkdir(parents=True, exist_ok=True)
        writer = None
        try:
            with translate_write_errors(self.root):
                writer = pq.ParquetWriter(draft, schema, compression="zstd")
            for batch in batches:
                with translate_write_errors(self.root):
                    writer.write_table(batch)
        finally:
            if writer is not None:
                with translate_write_errors(self.root):
                    writer.close()
                    flush_to_disk(draft)
        self.written.append(target)

    def publish(self) -> None:
        """Move all files to their targets.

        Each rename is atomic, so readers see complete files only.
        """
        with translate_write_errors(self.root):
            for target in self.written:
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(self.folder / target.relative_to(self.root), target)
        self.written.clear()


class translate_write_errors:  # noqa: N801 — used like a function
    """Context manager that turns file system errors into WarehouseWriteError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise WarehouseWriteError(self.folder, error) from error


def remove_days(root: Path, table: WarehouseTable, days: Iterable[str], *, through: int = 0) -> None:
    """Delete days that no longer have rows; files appended after ``through`` are kept."""
    with translate_write_errors(root):
        for day in days:
            for path in _list_day_files(root, table, day):
                if path.name == PART_NAME or parse_append_range(path)[1] <= through:
                    path.unlink(missing_ok=True)
            folder = root / table.name / f"date={day}"
            if not any(APPENDED.fullmatch(name) for name in os.listdir(folder)):
                shutil.rmtree(folder)
