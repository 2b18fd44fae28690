"""All stores of personal data, and the explanations of what is not personal."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.module_loading import autodiscover_modules

from config.foundation.personal_data.locations import StoredLocation
from config.foundation.personal_data.stores import PersonalDataStore

STORES_MODULE = "stored_data.personal_data_stores"

_stores: dict[str, PersonalDataStore] = {}
_impersonal: list["ImpersonalLocations"] = []
_state = {"discovered": False}


@dataclass(frozen=True)
class ImpersonalLocations:
    """Locations that hold nothing about customers, with the reason, for developers and auditors."""

    locations: tuple[StoredLocation, ...]
    reason: str


class DuplicateStoreError(Exception):
    """Two stores have the same key."""


def register_stores(*stores: PersonalDataStore) -> None:
    """Register the stores of an app; called in its module `stored_data/personal_data_stores.py`."""
    for store in stores:
        if store.key in _stores:
            raise DuplicateStoreError(f"Two stores of personal data have the key {store.key!r}. Rename one.")
        _stores[store.key] = store


def register_impersonal(*locations: StoredLocation | Iterable[StoredLocation], reason: str) -> None:
    """Explain why locations hold nothing about customers."""
    flat: list[StoredLocation] = []
    for location in locations:
        flat.extend([location] if isinstance(location, StoredLocation) else location)
    _impersonal.append(ImpersonalLocations(tuple(flat), reason))


def list_stores() -> list[PersonalDataStore]:
    """Return all stores in the order in which they are erased."""
    _discover()
    return sorted(_stores.values(), key=lambda store: (store.phase, store.key))


def find_store(key: str) -> PersonalDataStore | None:
    """Return a store; None if no app registers it any more."""
    _discover()
    return _stores.get(key)


def list_impersonal() -> list[ImpersonalLocations]:
    """Return the explanations of what is not personal."""
    _discover()
    return _impersonal


def _discover() -> None:
    if not _state["discovered"]:
        _state["discovered"] = True
        autodiscover_modules(STORES_MODULE)
