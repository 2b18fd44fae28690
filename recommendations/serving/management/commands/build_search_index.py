import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from config.foundation.processes.dependent_process import end_with_starter
from recommendations.serving.search.searcher import Searcher

NICENESS = 10  # requests of the web process that started this one take precedence


class Command(BaseCommand):
    help = "Build the search index, or merge changes into it, and save it for the web processes, which open it within a second."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--end-with-starter", action="store_true", help="end when the pipe on standard input closes"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["end_with_starter"]:
            end_with_starter()
            os.nice(NICENESS)
        texts = Searcher(background=False).build_index()
        if texts is None:
            self.stdout.write("Another process is building the search index.")
        else:
            self.stdout.write(f"The search index has {len(texts)} products.")
