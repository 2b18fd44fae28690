"""Every place of the shop has its row of settings from the first moment, as the roles have theirs."""

from typing import Any

from django.apps import apps as installed
from django.apps.registry import Apps
from django.db import connections
from django.utils import timezone


def ensure_places_after_migrate(using: str, apps: Apps | None = None, **kwargs: Any) -> None:
    """Adds the places that have no settings yet: a new one, or all of them once `manage.py flush` has emptied the tables.

    Asks the models as of the migration reached, so that it holds while migrating backwards too.
    """
    try:
        settings = (apps or installed).get_model("serving", "ScenarioSettings")
    except LookupError:
        return
    if settings._meta.db_table not in connections[using].introspection.table_names():
        return
    places = [name for name, _ in settings._meta.get_field("scenario").choices or ()]
    now = timezone.now()
    settings._default_manager.using(using).bulk_create(
        [settings(scenario=name, updated_at=now) for name in places], ignore_conflicts=True
    )
