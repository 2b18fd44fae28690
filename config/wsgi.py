"""The WSGI application that Granian serves.

Calls for events and recommendations are handled before Django's middleware. Our web server calls `preload`, forks its workers and calls
`start_worker` in each of them: one thread keeps the serving state current, and another the search index. Under a server that calls
neither, the first requests do this work.
"""

import os
from threading import Thread

from django.core.wsgi import get_wsgi_application
from django.utils import timezone

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ["PERENNIAL_PROCESS"] = "web"
django_application = get_wsgi_application()
del os.environ["PERENNIAL_PROCESS"]  # programs that this process starts are not web processes

from config.fast_path import add_fast_path  # noqa: E402 — needs configured settings
from config.foundation.database.wait_limits import limit_waits  # noqa: E402
from config.http.transport import SecureTransport  # noqa: E402
from config.monitoring.metrics.requests import MeasuredApplication  # noqa: E402
from customers.events.collector.fast_path import route_collector_calls  # noqa: E402
from customers.lifecycle.portrait.warm_up import try_warm_up as try_warm_up_customer_pages  # noqa: E402
from recommendations.serving.search.index.builder import IndexBuilder  # noqa: E402
from recommendations.serving.search.searcher import searcher  # noqa: E402
from recommendations.serving.state.loader import loader  # noqa: E402
from recommendations.serving.warm_up import try_warm_up  # noqa: E402

MAX_WAIT_SECONDS = 1.0
application = MeasuredApplication(
    SecureTransport(route_collector_calls(add_fast_path(limit_waits(django_application))))
)
application.prepared = loader.ready


def preload() -> None:
    """Load the catalog, the model and the search index before the workers are forked."""
    loader.preload(now=timezone.now())
    searcher.preload(now=timezone.now())


def start_worker() -> None:
    """Start the threads of a worker, and wait a little until it can answer from a complete state."""
    loader.warm_up = try_warm_up
    Thread(target=loader.refresh_forever, name="watch-model", daemon=True).start()
    Thread(target=warm_up_pages, name="warm-up-pages", daemon=True).start()
    searcher.builder = IndexBuilder()
    searcher.start()
    loader.ready.wait(MAX_WAIT_SECONDS)  # without this wait, the first answers after a restart would be fallbacks


def warm_up_pages() -> None:
    """Warm up the pages that compute for a single customer, after the recommendations, which more people wait for."""
    loader.ready.wait()
    try_warm_up_customer_pages()
