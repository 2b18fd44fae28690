"""``manage.py resume_sending``: shows what waits after a restore of a backup, and resumes sending."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from recommendations.sending.restores.hold import NotHeldError, find_hold, list_waiting_messages, resume_sending


class Command(BaseCommand):
    help = "Resume sending after a restore of a backup."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--list", action="store_true", help="only show what was due before the restore")
        parser.add_argument(
            "--cancel-due", action="store_true", help="do not send the messages that were due before the restore"
        )
        parser.add_argument(
            "--set-codes-aside",
            type=int,
            default=0,
            metavar="N",
            help="do not give the next N free codes of each coupon pool to customers",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        hold = find_hold()
        if hold is None:
            raise CommandError("Sending is not held.")
        self.stdout.write(
            f"Held since the restore at {hold.restored_at.isoformat()} of the backup of {hold.backup_at.isoformat()}. "
            "Due before the restore, and perhaps sent before the loss:"
        )
        waiting = list_waiting_messages(until=hold.restored_at)
        for messages in waiting:
            self.stdout.write(
                f"  {messages.label}: {messages.count:,} messages, due since {messages.due_at.isoformat()}"
            )
        if not waiting:
            self.stdout.write("  no messages")
        if options["list"]:
            return
        if options["set_codes_aside"] < 0:
            raise CommandError("--set-codes-aside must be 0 or more.")
        try:
            resume_sending(cancel_due=options["cancel_due"], codes_per_pool=options["set_codes_aside"])
        except NotHeldError as error:
            raise CommandError("Sending has been resumed already.") from error
        self.stdout.write(
            "Resumed. Before it sends others, the sender cancels these messages."
            if options["cancel_due"]
            else "Resumed. All of these messages are sent."
        )
