from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class BackupConfig(AppConfig):
    name = "config.backup"
    label = "backup"
    verbose_name = _("Backup")

    def ready(self) -> None:
        from config.backup.repeated_erasures import note_beginning, note_erasure
        from customers.erasure.signals import people_erased, people_unrecognized

        people_unrecognized.connect(note_beginning, dispatch_uid="config.backup.beginning")
        people_erased.connect(note_erasure, dispatch_uid="config.backup")
