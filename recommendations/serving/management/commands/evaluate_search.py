from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from recommendations.serving.search.evaluation import evaluate_search, read_searches
from recommendations.serving.search.searcher import Searcher


class Command(BaseCommand):
    help = "Evaluate the search by the products that customers chose after searching, in the general and in the personal order."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=int, default=90, help="number of days to evaluate; default: 90")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        if options["days"] < 1:
            raise CommandError(f"--days is {options['days']}; use 1 or more.")
        searches = read_searches(since=now - timedelta(days=options["days"]), until=now)
        if not searches:
            raise CommandError(
                f"The warehouse has no search from the last {options['days']} days that led to a chosen product. Send "
                "“Products Searched” events with the property query, then run `manage.py export_warehouse`. "
                "Until then, `python -m benchmarks.search` measures the search with made-up queries."
            )
        for evaluation in evaluate_search(searches=searches, now=now, source=Searcher(background=False)):
            figures = ", ".join(
                f"{name} {value.value:.4f} ({value.low:.4f} – {value.high:.4f})"
                for name, value in evaluation.figures.items()
            )
            self.stdout.write(f"{evaluation.name}: {evaluation.searches} searches, {figures}")
