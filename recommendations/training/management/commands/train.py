from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from config.foundation.database.advisory_locks import AlreadyRunningError
from config.foundation.progress import ProgressBar
from recommendations.training.budget import TooLittleMemoryError
from recommendations.training.data.extract import NothingToTrainOnError
from recommendations.training.runs import TrainingCancelledError
from recommendations.training.train import train


class Command(BaseCommand):
    help = "Trains a model on the warehouse, evaluates it on a cut in time and promotes it if it deserves that."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--as-of", type=moment, help="Learn only from what happened before (ISO time); default: now."
        )

        parser.add_argument("--seconds", type=float, help="About how long it may take; default: TRAINING_SECONDS.")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        try:
            version = train(
                as_of=options["as_of"] or now,
                started_at=now,
                seconds=options["seconds"],
                progress=ProgressBar("Training"),
            )
        except (AlreadyRunningError, NothingToTrainOnError, TooLittleMemoryError, TrainingCancelledError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{version.version}: {version.status}. {version.explanation()}")


def moment(text: str) -> datetime:
    parsed = parse_datetime(text) or parse_datetime(f"{text} 00:00")
    if parsed is None:
        raise ValueError(f"{text!r} is no ISO time, such as 2026-11-24 or 2026-11-24T10:00Z")
    return parsed if timezone.is_aware(parsed) else timezone.make_aware(parsed)
