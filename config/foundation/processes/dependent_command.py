"""A management command that a program starts for work in parallel to its own, and that ends when the program ends."""

import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from config.foundation.processes.dependent_process import end_with_starter

NICENESS = 10  # the work of the program that started the command takes precedence


class DependentCommand(BaseCommand):
    """Subclasses implement ``work``. Started with --end-with-starter, see `run_dependent`, the command has a low priority."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--end-with-starter", action="store_true", help="end when the pipe on standard input closes"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["end_with_starter"]:
            end_with_starter()
            os.nice(NICENESS)
        self.work()

    def work(self) -> None:
        raise NotImplementedError
