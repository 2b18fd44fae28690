"""Whether the scheduled backup works, as an alarm reports it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _
from django_celery_beat.models import PeriodicTask

from config.backup.erasure_ledger import read_folders
from config.backup.repository import BackupRepository
from config.jobs.history import list_last_runs
from config.jobs.models import ScheduledRun

TASK = "config.backup.tasks.back_up"
NAME_FORMAT = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class BackupStatus:
    """The scheduled backup. last_at: of the newest complete backup. problem: "" if all is well, or if the first backup is not due yet."""

    is_configured: bool
    last_at: datetime | None = None
    count: int = 0
    problem: str = ""


def is_first_backup_pending(folder: Path) -> bool:
    """Return whether BACKUP_DIR is new: the next run makes the first backup, so that nothing is wrong yet.

    A folder that has received a backup is not new: its disk may not be mounted. A job that is paused makes no backup.
    """
    if str(folder.resolve()) in read_folders() or not PeriodicTask.objects.filter(task=TASK, enabled=True).exists():
        return False
    return all(run.status != ScheduledRun.Status.FAILED for run in list_last_runs(TASK, limit=1))


def read_backup_status(*, now: datetime) -> BackupStatus:
    """Return when the last backup was made, and whether that is too long ago."""
    if not settings.BACKUP_DIR:
        return BackupStatus(is_configured=False)
    folder = Path(settings.BACKUP_DIR)
    names = sorted(path.stem for path in (folder / "backups").glob("*.manifest"))
    if not names or not BackupRepository.exists(folder):
        if is_first_backup_pending(folder):
            return BackupStatus(is_configured=True)
        return BackupStatus(True, problem=_("There is no backup in %(folder)s yet.") % {"folder": folder})
    last_at = datetime.strptime(names[-1].rstrip("a"), NAME_FORMAT).replace(tzinfo=UTC)
    problem = ""
    if now - last_at > timedelta(hours=settings.BACKUP_MAX_AGE_HOURS):
        problem = _("The last backup is %(hours)d hours old; the limit is %(limit)d hours.") % {
            "hours": (now - last_at).total_seconds() // 3600,
            "limit": settings.BACKUP_MAX_AGE_HOURS,
        }
    return BackupStatus(True, last_at, len(names), problem)
