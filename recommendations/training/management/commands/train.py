from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from config.foundation.database.advisory_locks import AlreadyRunningError
from config.foundation.progress import ProgressBar
from recommendations.training.budget import InsufficientMemoryError
from recommendations.training.data.extract import NoTrainingDataError
from recommendations.training.runs import TrainingCanceledError
from recommendations.training.train import train


class Command(BaseCommand):
    help = "Train a model on the warehouse, evaluate it on a time split, and promote it if it passes all criteria."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--as-of", type=parse_moment, help="Train only on events before this ISO time (default: now)."
        )

        parser.add_argument(
            "--seconds", type=float, help="Approximate time budget in seconds (default: TRAINING_SECONDS)."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        try:
            version = train(
                as_of=options["as_of"] or now,
                started_at=now,
                seconds=options["seconds"],
                progress=ProgressBar("Training"),
            )
        except (AlreadyRunningError, NoTrainingDataError, InsufficientMemoryError, TrainingCanceledError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{version.version}: {version.status}. {version.explanation}")


def parse_moment(text: str) -> datetime:
    parsed = parse_datetime(text) or parse_datetime(f"{text} 00:00")
    if parsed is None:
        raise ValueError(f"{text!r} is not a valid ISO time (e.g. 2026-11-24 or 2026-11-24T10:00Z)")
    return parsed if timezone.is_aware(parsed) else timezone.make_aware(parsed)
