"""Reads a backup completely and checks every part, every table and every file."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from config.backup.repository import BackupError, BackupRepository, list_parts
from config.foundation.progress import Progress, ignore_progress


@dataclass
class VerificationReport:
    """What a verification read, and what is wrong."""

    name: str
    at: str
    tables: int = 0
    rows: int = 0
    files: int = 0
    parts: int = 0
    problems: list[str] = field(default_factory=list)


def verify_backup(
    repository: BackupRepository,
    *,
    name: str = "",
    make_progress: Callable[[str], Progress] = lambda label: ignore_progress,
) -> VerificationReport:
    """Check a backup, by default the newest. Raises BackupError if there is none."""
    names = repository.list_backups()
    if not names:
        raise BackupError(f"There is no complete backup in {repository.folder}.")
    manifest = repository.load_manifest(name or names[-1])
    report = VerificationReport(manifest["name"], manifest["at"])
    progress, total = make_progress("Verify"), len(list(list_parts(manifest)))
    reader = PartReader(repository, report, progress, total)
    for section in manifest["schema"].values():
        reader.measure(section)
    for table in manifest["tables"]:
        _bytes, rows = reader.measure(table["parts"])
        report.tables, report.rows = report.tables + 1, report.rows + rows
        if rows != table["rows"]:
            report.problems.append(f"Table {table['name']}: {rows} rows instead of {table['rows']}.")
    for root, files in manifest["files"].items():
        for file in files:
            report.files += 1
            if reader.measure(file["parts"])[0] != file["size"]:
                report.problems.append(f"File {root}/{file['path']}: its size does not match.")
    reader.measure(manifest.get("valkey", []))
    return report


class PartReader:
    """Reads parts, and notes the damaged ones."""

    def __init__(
        self, repository: BackupRepository, report: VerificationReport, progress: Progress, total: int
    ) -> None:
        self._repository, self._report, self._progress, self._total = repository, report, progress, total

    def measure(self, parts: list[Any]) -> tuple[int, int]:
        """Return the bytes and the lines of parts."""
        size = lines = 0
        for name in parts:
            try:
                content = self._repository.load(name)
            except BackupError as error:
                self._report.problems.append(str(error))
            else:
                size, lines = size + len(content), lines + content.count(b"\n")
            self._report.parts += 1
            self._progress(min(self._report.parts, self._total), self._total)
        return size, lines
