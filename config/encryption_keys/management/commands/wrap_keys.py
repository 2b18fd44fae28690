"""``manage.py wrap_keys``: wraps the keys in ``var/secrets`` with the key store, after which the files alone decrypt nothing."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.encryption_keys.key_files import wrap_files
from config.encryption_keys.models import KeyRotation
from config.foundation.audit_log import record_action
from config.foundation.keys.key_stores import KeyStoreError


class Command(BaseCommand):
    help = "Wrap the keys in var/secrets with the key store in KEY_STORE. Back up the keys first."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            changed = wrap_files()
        except (KeyStoreError, ValueError, OSError) as error:
            raise CommandError(str(error)) from error
        record_action("keys.wrapped", model=KeyRotation, details={"store": settings.KEY_STORE.name})
        self.stdout.write(f"Wrapped: {', '.join(path.name for path in changed) or 'nothing, all keys were wrapped'}")
