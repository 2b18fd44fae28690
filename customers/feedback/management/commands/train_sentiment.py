"""``manage.py train_sentiment FILE…``: trains the start model of a shop that has too few rated reviews."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from config.foundation.database.advisory_locks import AlreadyRunningError
from customers.feedback.sentiment.labeled_files import LabeledFileError
from customers.feedback.sentiment_scoring import train_start_models


class Command(BaseCommand):
    help = (
        "Train the sentiment model of a shop with fewer than 200 rated reviews from CSV files with the columns label "
        "(0 negative, 1 positive) and review. English and Chinese get a model each."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            training = train_start_models(options["files"], now=timezone.now())
        except (LabeledFileError, AlreadyRunningError) as error:
            raise CommandError(str(error)) from error
        for language, problem in training.missing.items():
            self.stderr.write(f"No model for {language.value}: {problem}")
        if not training.models:
            raise CommandError("No language has enough texts.")
        for language, model in training.models.items():
            quality = model.quality
            self.stdout.write(
                f"{language.value}: {quality.texts} texts, accuracy {quality.accuracy:.1%} on held-out texts "
                f"(majority {quality.baseline:.1%})"
            )
