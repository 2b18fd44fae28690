"""The WSGI application that Granian serves. A thread of each worker keeps what recommendations come from current.

Events and recommendations are answered in front of Django's middleware.
"""

import os
from threading import Thread

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django_application = get_wsgi_application()

from config.shortcut import take_recommendations_first  # noqa: E402 — needs the settings
from customers.events.collector.fast_path import take_events_first  # noqa: E402
from recommendations.serving.search.searcher import searcher  # noqa: E402
from recommendations.serving.state.loader import loader  # noqa: E402

FIRST_LOOK_SECONDS = 10.0
application = take_events_first(take_recommendations_first(django_application))
Thread(target=loader.watch, name="watch-model", daemon=True).start()
searcher.start()
loader.looked_once.wait(FIRST_LOOK_SECONDS)  # a worker that takes requests before would answer the first ones late
