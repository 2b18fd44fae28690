"""Create the missing settings of placements after each migration."""

from typing import Any

from django.apps import apps as installed_apps
from django.apps.registry import Apps
from django.db import connections
from django.utils import timezone


def create_default_settings(using: str, apps: Apps | None = None, **kwargs: Any) -> None:
    """Add the missing rows: of a new placement, or of all after `manage.py flush`.

    apps: the models at the migration reached, so that this works while migrating backwards too.
    """
    try:
        settings = (apps or installed_apps).get_model("serving", "PlacementSettings")
    except LookupError:
        return
    if settings._meta.db_table not in connections[using].introspection.table_names():
        return
    placements = [name for name, _ in settings._meta.get_field("placement").choices or ()]
    now = timezone.now()
    settings._default_manager.using(using).bulk_create(
        [settings(placement=name, updated_at=now) for name in placements], ignore_conflicts=True
    )
