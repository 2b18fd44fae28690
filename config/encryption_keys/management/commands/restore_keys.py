"""``manage.py restore_keys FILE``: writes the keys of a backup to ``var/secrets``."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.encryption_keys.key_backup import KeyBackupError, read_backup, restore_files
from config.encryption_keys.passphrase import VARIABLE, read_passphrase
from config.foundation.keys.key_ids import compute_key_id


class Command(BaseCommand):
    help = f"Restore the keys of a backup; the passphrase comes from {VARIABLE}, a file, or the terminal."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file")
        parser.add_argument("--passphrase-file", help="a file with the passphrase")
        parser.add_argument("--force", action="store_true", help="replace keys that are not in the backup")
        parser.add_argument("--check", action="store_true", help="only check the file and the passphrase")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            keys = read_backup(Path(options["file"]), read_passphrase(options["passphrase_file"], twice=False))
            for name in ("FIELD_KEYS", "HASH_KEYS"):
                self.stdout.write(f"{name}: {', '.join(compute_key_id(key) for key in keys[name])}")
            if options["check"]:
                return
            changed = restore_files(keys, folder=Path(settings.VAR_DIR) / "secrets", force=options["force"])
        except (KeyBackupError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Restored: {', '.join(changed) or 'nothing, the files are the same'}. Restart Perennial.")
