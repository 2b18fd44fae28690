"""The WSGI application that Granian serves. Each worker loads its model before somebody asks for it.

Events are taken in front of Django's middleware.
"""

import logging
import os
from threading import Thread

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django_application = get_wsgi_application()

from django.db import DatabaseError, connection  # noqa: E402 — needs the settings
from django.utils import timezone  # noqa: E402

from customers.events.shortcut import take_events_first  # noqa: E402
from recommendations.serving.loading import NoModelError, loader  # noqa: E402

application = take_events_first(django_application)


def load_model() -> None:
    try:
        loader.current(now=timezone.now())
    except (NoModelError, DatabaseError) as error:
        logging.getLogger(__name__).info("no model was loaded ahead: %s", error)
    finally:
        connection.close()


Thread(target=load_model, name="load-model", daemon=True).start()
