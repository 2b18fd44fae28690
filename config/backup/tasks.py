"""The scheduled backup."""

import logging
from pathlib import Path

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from config.backup.creation import create_backup
from config.backup.erasure_ledger import copy_ledger_everywhere
from config.backup.repository import BackupRepository

logger = logging.getLogger(__name__)


@shared_task(exclusive=True)
def back_up() -> None:
    """Back up to BACKUP_DIR, if it is set. Record erasures in folders of backups that could not be reached before."""
    for folder in copy_ledger_everywhere():
        logger.warning("The backups in %s cannot be reached: erasures are not recorded there", folder)
    if not settings.BACKUP_DIR:
        return
    repository = BackupRepository.create(Path(settings.BACKUP_DIR), passphrase=settings.BACKUP_PASSPHRASE)
    result = create_backup(repository, at=timezone.now(), keep=settings.BACKUP_KEEP)
    logger.info("Backup %s: %d rows, %d files, %d new bytes", result.name, result.rows, result.files, result.new_bytes)
