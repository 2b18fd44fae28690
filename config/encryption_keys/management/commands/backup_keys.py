"""``manage.py backup_keys FILE``: writes all keys to one file, encrypted with a passphrase."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from config.encryption_keys.key_backup import KeyBackupError, write_backup
from config.encryption_keys.models import KeyRotation
from config.encryption_keys.passphrase import VARIABLE, read_passphrase
from config.foundation.audit_log import record_action


class Command(BaseCommand):
    help = f"Back up the keys, encrypted with a passphrase from {VARIABLE}, a file, or the terminal. Keep the backup apart from the data."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file")
        parser.add_argument("--passphrase-file", help="a file with the passphrase")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            write_backup(
                Path(options["file"]), read_passphrase(options["passphrase_file"], twice=True), at=timezone.now()
            )
        except (KeyBackupError, OSError) as error:
            raise CommandError(str(error)) from error
        record_action("keys.backed_up", model=KeyRotation, details={})
        self.stdout.write(f"Keys written to {options['file']}. Keep the file and the passphrase in different places.")
