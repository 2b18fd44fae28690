import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from config.foundation.processes.dependent_process import end_with_starter
from recommendations.serving.kernel_compilation import compile_kernels

NICENESS = 10  # loading the first data takes precedence


class Command(BaseCommand):
    help = "Compile the kernels of training, recommendations and search into the cache, so that a new installation does not wait for them."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--end-with-starter", action="store_true", help="end when the pipe on standard input closes"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["end_with_starter"]:
            end_with_starter()
            os.nice(NICENESS)
        compile_kernels()
