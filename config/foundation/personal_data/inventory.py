"""Compares everything that is stored with the registry: what is neither covered by a store nor explained."""

from collections.abc import Iterable

from django.apps import apps

from config.foundation.personal_data.locations import LocationKind, StoredLocation
from config.foundation.personal_data.registry import list_impersonal, list_stores
from config.foundation.personal_data.table_stores import list_personal_columns


def list_known_locations() -> list[StoredLocation]:
    """Return all registered and explained locations."""
    known = [location for store in list_stores() for location in store.locations]
    return known + [location for entry in list_impersonal() for location in entry.locations]


def list_unknown_columns() -> list[str]:
    """Return "app.model.column" of each column that may hold personal data and is not registered."""
    known = list_known_locations()
    return [
        f"{model._meta.label_lower}.{column}"
        for model in apps.get_models(include_auto_created=True)
        for column in list_personal_columns(model)
        if model._meta.managed and not any(item.covers_column(model._meta.label_lower, column) for item in known)
    ]


def list_unknown_names(kind: LocationKind, names: Iterable[str]) -> list[str]:
    """Return the files or keys that match no registered pattern."""
    patterns = [location for location in list_known_locations() if location.kind is kind]
    return sorted(name for name in names if not any(pattern.covers_name(kind, name) for pattern in patterns))
