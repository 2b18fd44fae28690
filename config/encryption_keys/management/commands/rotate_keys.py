"""``manage.py rotate_keys``: moves all encrypted values and keyed hashes to new keys, while Perennial runs."""

import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from config.encryption_keys import key_files
from config.encryption_keys.counts import count_key_uses
from config.encryption_keys.next_steps import describe_column, describe_next_step, is_rotated
from config.encryption_keys.rotation import (
    RotationError,
    count_default_processes,
    find_open_rotation,
    run_rotation,
    start_rotation,
)
from config.foundation.database.advisory_locks import AlreadyRunningError, exclusive_lock
from config.foundation.keys.key_ids import compute_key_id, make_field_key, make_hash_key
from config.foundation.keys.key_stores import KeyStoreError
from config.foundation.keys.live_keys import CHECK_SECONDS
from config.foundation.progress import ProgressBar


class Command(BaseCommand):
    help = (
        "Create new keys and re-encrypt every value with them. Perennial can keep running; an interrupted run continues when it is "
        "started again. Keys in the environment are not changed: --new prints new ones."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--only", choices=("encryption", "hashes"), help="create a new key of one kind only")
        parser.add_argument("--processes", type=int, default=count_default_processes(), help="default: %(default)s")
        parser.add_argument("--new", action="store_true", help="print new keys for the environment and change nothing")
        parser.add_argument("--finish", action="store_true", help="remove older keys that nothing uses any more")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["new"]:
            self.stdout.write(f"FIELD_KEYS={make_field_key()},<the current keys>")
            self.stdout.write(f"HASH_KEYS={make_hash_key()},<the current keys>")
            return
        try:
            with exclusive_lock("rotate_keys"):
                if options["finish"]:
                    self.finish()
                else:
                    self.rotate(options)
        except AlreadyRunningError as error:
            raise CommandError("Another rotation is running.") from error
        except (KeyStoreError, RotationError) as error:
            raise CommandError(str(error)) from error

    def rotate(self, options: dict[str, Any]) -> None:
        # an older key may stay for ever; new keys that nothing was rotated to are those of an interrupted run, or of the environment
        if find_open_rotation() is None and (not key_files.has_older_keys() or is_rotated()):
            if not key_files.are_keys_in_files():
                raise CommandError(
                    "The keys come from the environment. Run manage.py rotate_keys --new, put the new keys before the old ones in "
                    "FIELD_KEYS and HASH_KEYS, restart Perennial, and run this command again."
                )
            key_files.add_new_keys(fields=options["only"] != "hashes", hashes=options["only"] != "encryption")
            time.sleep(2 * CHECK_SECONDS)  # by then, every process writes with the new keys
        rotation = start_rotation(now=timezone.now())
        self.stdout.write(f"Encryption key {rotation.field_key_id}, hash key {rotation.hash_key_id}")
        run_rotation(
            rotation,
            processes=options["processes"],
            progress=ProgressBar("Rotating", sys.stderr),
            now=timezone.now,
        )
        uses = count_key_uses(at=timezone.now())
        self.stdout.write(describe_next_step(uses))

    def finish(self) -> None:
        if find_open_rotation() is not None:
            raise CommandError("A rotation is under way. Run manage.py rotate_keys until it ends.")
        if not key_files.has_older_keys():
            self.stdout.write("There are no older keys.")
            return
        uses = count_key_uses(at=timezone.now())
        if not key_files.are_keys_in_files():
            self.print_removable(key_files.list_removable_keys(uses))
            return
        try:
            removed = key_files.remove_older_keys(uses)
        except key_files.KeyInUseError as error:
            lines = [
                f"  {use.key_id or 'unknown key'}  {use.values_count:>10,}  {describe_column(use)}"
                for use in error.uses
            ]
            raise CommandError("\n".join(["Older keys are still in use:", *lines, describe_next_step(uses)])) from error
        for purpose, ids in removed.items():
            for key_id in ids:
                self.stdout.write(f"Removed {key_id} ({purpose})")

    def print_removable(self, removable: dict[str, list[str]]) -> None:
        for name, purpose, keys in (
            ("FIELD_KEYS", "field", settings.FIELD_KEYS),
            ("HASH_KEYS", "hash", settings.HASH_KEYS),
        ):
            if ids := removable[purpose]:
                kept = [compute_key_id(key) for key in keys if compute_key_id(key) not in ids]
                self.stdout.write(f"{name}: remove {', '.join(ids)}; keep {', '.join(kept)}")
            elif len(keys) > 1:
                self.stdout.write(f"{name}: all keys are in use")
