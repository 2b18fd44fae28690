from typing import Any

from django.core.management.base import BaseCommand

from recommendations.serving.search.searcher import Searcher


class Command(BaseCommand):
    help = "Build the search index, or merge changes into it, and save it for the web processes, which open it within a second."

    def handle(self, *args: Any, **options: Any) -> None:
        texts = Searcher(background=False).build_index()
        if texts is None:
            self.stdout.write("Another process is building the search index.")
        else:
            self.stdout.write(f"The search index has {len(texts)} products.")
