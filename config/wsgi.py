"""The WSGI application that Granian serves.

Calls for events and recommendations are handled before Django's middleware. In each worker, one thread keeps the serving state
current, and another the search index.
"""

import os
from threading import Thread

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django_application = get_wsgi_application()

from config.fast_path import add_fast_path  # noqa: E402 — needs configured settings
from config.foundation.database.wait_limits import limit_waits  # noqa: E402
from config.http.transport import SecureTransport  # noqa: E402
from customers.events.collector.fast_path import route_collector_calls  # noqa: E402
from recommendations.serving.search.searcher import searcher  # noqa: E402
from recommendations.serving.state.loader import loader  # noqa: E402

FIRST_LOOK_SECONDS = 10.0
application = SecureTransport(route_collector_calls(add_fast_path(limit_waits(django_application))))
Thread(target=loader.refresh_forever, name="watch-model", daemon=True).start()
searcher.start()
loader.first_refresh_done.wait(FIRST_LOOK_SECONDS)  # without this wait, the first responses would be late
