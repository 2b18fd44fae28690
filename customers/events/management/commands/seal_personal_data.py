"""``manage.py seal_personal_data``: encrypts personal data that was stored before it was recognized."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from config.foundation.database.advisory_locks import AlreadyRunningError, exclusive_lock
from config.foundation.progress import ProgressBar
from customers.events.personal_backlog import seal_backlog


class Command(BaseCommand):
    help = (
        "Encrypt the personal data in stored events, traits and merges that was stored in plain text by earlier versions. "
        "It can be interrupted and run again. Then delete the folder of the warehouse and run export_warehouse."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with exclusive_lock("events.seal_personal_data"):
                counts = seal_backlog(progress=ProgressBar(_("Rows")))
        except AlreadyRunningError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            _("Encrypted: %(events)d events, %(customers)d customers, %(merges)d merges. Hidden: %(rejected)d reasons.")
            % {
                "events": counts.events,
                "customers": counts.customers,
                "merges": counts.merges,
                "rejected": counts.rejected_events,
            }
        )
