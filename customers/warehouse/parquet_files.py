"""Where the warehouse lies and how its files are written: beside first, then renamed, each with its fingerprint inside."""

import errno
import json
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

from customers.warehouse.tables import Table

STAGING = ".staging"
PART = "part.parquet"
METADATA_KEY = b"perennial"
THROUGH_KEY = b"perennial-through"
# `append-<first>-<last>`: the rows of the appends with these numbers
APPENDED = re.compile(r"append-(\d{12})-(\d{12})\.parquet")
# a query that is under way may still open a file that has been replaced
GRACE_SECONDS = 15 * 60


class WarehouseWriteError(Exception):
    """The folder of the warehouse could not be written; the files that were there are untouched."""

    def __init__(self, folder: Path, error: OSError) -> None:
        why = {
            errno.ENOSPC: "the disk is full",
            errno.EDQUOT: "the disk quota is used up",
            errno.EFBIG: "the file would be larger than is allowed here",
            errno.EACCES: "it may not be written by this user",
            errno.EROFS: "the disk is read-only",
        }.get(error.errno or 0, str(error))
        super().__init__(
            f"The warehouse in {folder} could not be written: {why}. The files of the last export are untouched. "
            "Make room there or name another folder in WAREHOUSE_URL, then run `manage.py export_warehouse` again."
        )
        self.folder = folder


@dataclass(frozen=True)
class Fingerprint:
    """What a file was made from: equal fingerprints mean equal rows."""

    rows: int
    checksum: str
    schema: str


def warehouse_root() -> Path:
    """The folder that WAREHOUSE_URL names, a path or a file: address.

    Raises:
        ImproperlyConfigured: the address is not on this machine.
    """
    url = str(settings.WAREHOUSE_URL)
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return Path(parts.path)
    if "://" in url:
        raise ImproperlyConfigured(
            f"WAREHOUSE_URL={url!r}: only a folder of this machine is supported so far. Give a path such as "
            "/srv/perennial/warehouse (object storage can be mounted there), or unset it for var/warehouse."
        )
    return Path(url).expanduser().resolve()


def part_path(root: Path, table: Table, day: str | None) -> Path:
    folder = root / table.name
    return (folder / f"date={day}" if day else folder) / PART


def stored_fingerprint(path: Path) -> Fingerprint | None:
    """The fingerprint inside a file; None when there is no file or it can't be read, which a rewrite mends."""
    try:
        metadata = pq.read_metadata(path).metadata or {}
        return Fingerprint(**json.loads(metadata[METADATA_KEY]))
    except (FileNotFoundError, pa.ArrowInvalid, KeyError, ValueError, TypeError):
        return None


def stored_days(root: Path, table: Table) -> set[str]:
    folder = root / table.name
    return {entry.name.removeprefix("date=") for entry in folder.glob("date=*")} if folder.is_dir() else set()


def appended_path(root: Path, table: Table, day: str, first: int, last: int) -> Path:
    return root / table.name / f"date={day}" / f"append-{first:012d}-{last:012d}.parquet"


def appends_in(path: Path) -> tuple[int, int]:
    """The first and the last number of the appends in a file that ``appended_path`` named."""
    found = APPENDED.fullmatch(path.name)
    assert found is not None
    return int(found[1]), int(found[2])


def live_files(root: Path, table: Table) -> dict[str, list[Path]]:
    """The files of each day that hold its rows, each row once: the day's own file, then what was appended since."""
    found: dict[str, list[Path]] = {}
    for day in sorted(stored_days(root, table)):
        files = _live(_files_of_day(root, table, day))
        if files:
            found[day] = files
    return found


def _files_of_day(root: Path, table: Table, day: str) -> list[Path]:
    try:
        names = sorted(os.listdir(root / table.name / f"date={day}"))
    except FileNotFoundError:  # removed by an export since
        return []
    known = [name for name in names if name == PART or APPENDED.fullmatch(name)]
    return [root / table.name / f"date={day}" / name for name in known]


def _live(files: list[Path]) -> list[Path]:
    part = [path for path in files if path.name == PART]
    appended = [path for path in files if path.name != PART]
    if not appended:
        return part
    reached = stored_through(part[0]) if part else 0
    kept = []
    # by their first number, of several the one that reaches farthest: what it holds, the others need not say again
    for path in sorted(appended, key=lambda path: (appends_in(path)[0], -appends_in(path)[1])):
        if appends_in(path)[1] > reached:
            reached = appends_in(path)[1]
            kept.append(path)
    return part + kept


def stored_through(path: Path) -> int:
    """The last append whose rows a day's own file holds."""
    try:
        metadata = pq.read_metadata(path).metadata or {}
        return int(metadata.get(THROUGH_KEY, b"0"))
    except (FileNotFoundError, pa.ArrowInvalid, ValueError):
        return 0


def remove_shadowed(root: Path, table: Table, *, grace_seconds: float = GRACE_SECONDS) -> None:
    """Removes files whose rows stand in others, once no query can be reading them any more."""
    if table.moment is None:
        return
    oldest = time.time() - grace_seconds
    with writing(root):
        for day in stored_days(root, table):
            files = _files_of_day(root, table, day)
            if len(files) < 2:
                continue
            live = set(_live(files))
            newest = max(path.stat().st_mtime for path in live)
            for path in files:
                if path not in live and newest <= oldest:
                    path.unlink(missing_ok=True)


class Staging:
    """The files of one export, written beside the old ones and put in their place together at the end."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / STAGING
        self.written: list[Path] = []

    def __enter__(self) -> "Staging":
        with writing(self.root):
            if self.folder.exists():  # left by an export that was killed; the lock says that nobody works here
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
        with writing(self.root):
            draft.parent.mkdir(parents=True, exist_ok=True)
        writer = None
        try:
            with writing(self.root):
                writer = pq.ParquetWriter(draft, schema, compression="zstd")
            for batch in batches:
                with writing(self.root):
                    writer.write_table(batch)
        finally:
            if writer is not None:
                with writing(self.root):
                    writer.close()
        self.written.append(target)

    def publish(self) -> None:
        """Each rename is atomic, so a reader sees whole files only."""
        with writing(self.root):
            for target in self.written:
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(self.folder / target.relative_to(self.root), target)
        self.written.clear()


class writing:  # noqa: N801 — read as a phrase: with writing(folder)
    """Turns an error of the file system into one that names the folder and the way out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise WarehouseWriteError(self.folder, error) from error


def remove_days(root: Path, table: Table, days: Iterable[str], *, through: int = 0) -> None:
    """Removes days that have no rows any more; what was appended after ``through`` stays."""
    with writing(root):
        for day in days:
            for path in _files_of_day(root, table, day):
                if path.name == PART or appends_in(path)[1] <= through:
                    path.unlink(missing_ok=True)
            folder = root / table.name / f"date={day}"
            if not any(APPENDED.fullmatch(name) for name in os.listdir(folder)):
                shutil.rmtree(folder)
