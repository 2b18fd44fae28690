"""Whether the scheduled backup works, as an alarm reports it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from config.backup.repository import BackupRepository

NAME_FORMAT = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class BackupStatus:
    """The scheduled backup. last_at: of the newest complete backup. problem: "" if all is well."""

    is_configured: bool
    last_at: datetime | None = None
    count: int = 0
    problem: str = ""


def read_backup_status(*, now: datetime) -> BackupStatus:
    """Return when the last backup was made, and whether that is too long ago."""
    if not settings.BACKUP_DIR:
        return BackupStatus(is_configured=False)
    folder = Path(settings.BACKUP_DIR)
    if not BackupRepository.exists(folder):
        return BackupStatus(True, problem=_("There is no backup in %(folder)s yet.") % {"folder": folder})
    names = sorted(path.stem for path in (folder / "backups").glob("*.manifest"))
    if not names:
        return BackupStatus(True, problem=_("There is no backup in %(folder)s yet.") % {"folder": folder})
    last_at = datetime.strptime(names[-1].rstrip("a"), NAME_FORMAT).replace(tzinfo=UTC)
    problem = ""
    if now - last_at > timedelta(hours=settings.BACKUP_MAX_AGE_HOURS):
        problem = _("The last backup is %(hours)d hours old; the limit is %(limit)d hours.") % {
            "hours": (now - last_at).total_seconds() // 3600,
            "limit": settings.BACKUP_MAX_AGE_HOURS,
        }
    return BackupStatus(True, last_at, len(names), problem)
