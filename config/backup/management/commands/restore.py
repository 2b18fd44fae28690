"""``manage.py restore``: restores a backup into an empty installation, and reports what was restored."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.backup.repository import BackupError, BackupRepository
from config.backup.restoring import RestoreReport, restore_backup
from config.foundation.progress import ProgressBar


class Command(BaseCommand):
    help = "Restore a backup of `manage.py backup` into an empty installation."
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", help="the folder of backups")
        parser.add_argument("--name", default="", help="the backup; default: the newest")
        parser.add_argument("--force", action="store_true", help="replace what exists")
        parser.add_argument("--dry-run", action="store_true", help="check everything and change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            repository = BackupRepository(
                Path(options["folder"]).expanduser().resolve(), passphrase=settings.BACKUP_PASSPHRASE
            )
            report = restore_backup(
                repository,
                name=options["name"],
                force=options["force"],
                dry_run=options["dry_run"],
                make_progress=ProgressBar,
            )
        except BackupError as error:
            raise CommandError(str(error)) from error
        self._print(report)

    def _print(self, report: RestoreReport) -> None:
        verb = "would restore" if report.is_dry_run else "restored"
        self.stdout.write(
            f"Backup {report.name} of {report.at}: {verb} {report.rows:,} rows and {report.files:,} files."
        )
        for name, value in report.totals.items():
            self.stdout.write(f"  {name.replace('_', ' ')}: {value}")
        for name, (before, now) in report.differences.items():
            self.stderr.write(f"DIFFERENT {name}: {before} in the backup, {now} now")
        for warning in report.warnings:
            self.stderr.write(f"Warning: {warning}")
        if not report.is_dry_run:
            self.stdout.write(
                f"Valkey: {report.keys:,} keys. Migrations applied: {report.migrations}. Erased again: {report.erased}. "
                f"{report.seconds:.1f} s. Start Perennial with `manage.py up`."
            )
            self.stdout.write(
                f"Sending is held: messages that were due since {report.at} may have been sent before the loss. See them with "
                "`manage.py resume_sending --list` or under Settings › Sending, and resume sending there."
            )
        if report.differences:
            raise CommandError("The restored totals differ from those of the backup.")
