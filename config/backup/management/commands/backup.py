"""``manage.py backup``: backs up everything but the keys while Perennial runs, or verifies and lists backups."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from config.backup.creation import create_backup
from config.backup.erasure_ledger import forget_folder
from config.backup.repository import BackupError, BackupRepository
from config.backup.verification import verify_backup
from config.foundation.progress import ProgressBar


class Command(BaseCommand):
    help = "Back up database, warehouse, models and files to a folder while Perennial runs; keys are left out."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", nargs="?", help="the backup folder; default: BACKUP_DIR")
        parser.add_argument(
            "--verify", action="store_true", help="read the newest backup, or --name, and check every part"
        )
        parser.add_argument("--list", action="store_true", help="list the backups")
        parser.add_argument(
            "--forget", action="store_true", help="record no more erasures in the folder: its backups no longer exist"
        )
        parser.add_argument("--name", default="", help="the backup to verify")
        parser.add_argument("--keep", type=int, help="remove older backups until this number is left")
        parser.add_argument("--encrypt", action="store_true", help="encrypt a new backup folder with BACKUP_PASSPHRASE")

    def handle(self, *args: Any, **options: Any) -> None:
        folder = options["folder"] or settings.BACKUP_DIR
        if not folder:
            raise CommandError("Name a folder for backups, or set BACKUP_DIR.")
        if options["keep"] is not None and options["keep"] < 1:
            raise CommandError("--keep must be at least 1.")
        if options["encrypt"] and not settings.BACKUP_PASSPHRASE:
            raise CommandError("--encrypt needs the environment variable BACKUP_PASSPHRASE.")
        try:
            self._run(Path(folder).expanduser().resolve(), options)
        except BackupError as error:
            raise CommandError(str(error)) from error

    def _run(self, folder: Path, options: dict[str, Any]) -> None:
        if options["forget"]:
            if not forget_folder(folder):
                raise CommandError(f"No backup of this installation was made in {folder}.")
            self.stdout.write(f"Erasures are no longer recorded in {folder}, unless a new backup is made there.")
            return
        if options["list"]:
            for name in BackupRepository(folder, passphrase=settings.BACKUP_PASSPHRASE).list_backups():
                self.stdout.write(name)
            return
        if options["verify"]:
            self._verify(BackupRepository(folder, passphrase=settings.BACKUP_PASSPHRASE), options["name"])
            return
        passphrase = settings.BACKUP_PASSPHRASE if options["encrypt"] or BackupRepository.exists(folder) else ""
        repository = BackupRepository.create(folder, passphrase=passphrase)
        result = create_backup(repository, at=timezone.now(), keep=options["keep"] or 0, make_progress=ProgressBar)
        self.stdout.write(
            f"Backup {result.name}: {result.tables} tables, {result.rows:,} rows, {result.files:,} files, "
            f"{result.bytes / 1e6:,.1f} MB, {result.seconds:.1f} s. {result.new_bytes / 1e6:,.1f} MB were added to the folder: the parts "
            "that it did not have yet, compressed."
        )
        self.stdout.write("Keys are not included. Back them up separately: without them, addresses cannot be read.")

    def _verify(self, repository: BackupRepository, name: str) -> None:
        report = verify_backup(repository, name=name, make_progress=ProgressBar)
        for problem in report.problems:
            self.stderr.write(problem)
        if report.problems:
            raise CommandError(f"Backup {report.name} has {len(report.problems)} problems. Do not rely on it.")
        self.stdout.write(
            f"Backup {report.name} is complete: {report.tables} tables, {report.rows:,} rows, {report.files:,} files, "
            f"{report.parts:,} parts."
        )
