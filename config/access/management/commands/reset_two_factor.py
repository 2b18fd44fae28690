"""``manage.py reset_two_factor``: the way back in for a user who has lost phone and recovery codes."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.access.sessions.active_sessions import end_sessions
from config.access.two_factor.devices import disable_two_factor
from config.foundation.audit_log import record_action


class Command(BaseCommand):
    help = "Delete the second factor of a back-office user and end all sessions of that user."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, **options: Any) -> None:
        user = get_user_model().objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(f"There is no user {options['username']!r}. `manage.py createsuperuser` creates one.")
        had_device = disable_two_factor(user)
        ended = end_sessions(user)
        record_action("two_factor.reset", instance=user)
        state = "The second factor was deleted" if had_device else "There was no second factor"
        self.stdout.write(f"{state}, and {ended} sessions were ended. The next log-in needs only the password.")
