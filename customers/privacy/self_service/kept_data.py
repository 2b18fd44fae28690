"""What is kept about a customer, in plain words: the kinds of data with the number of records."""

from dataclasses import dataclass

from django.utils.functional import Promise

from config.foundation.personal_data.person import Person
from config.foundation.personal_data.registry import list_stores
from config.foundation.personal_data.stores import PersonalDataStore
from config.foundation.personal_data.table_stores import TableStore


@dataclass(frozen=True)
class KeptKind:
    """A kind of data and how many records of it are kept."""

    label: str | Promise
    count: int


def has_records(store: PersonalDataStore) -> bool:
    """Return whether an export can have records of a store."""
    if isinstance(store, TableStore):
        return store.is_exported
    return type(store).export is not PersonalDataStore.export


def list_kept_kinds(person: Person) -> list[KeptKind]:
    """Return the kinds of data that the export contains, each counted by one statement; files and caches, which are copies, are left out."""
    kinds = [
        KeptKind(store.label, sum(finding.count for finding in store.find([person])))
        for store in list_stores()
        if has_records(store)
    ]
    return sorted((kind for kind in kinds if kind.count), key=lambda kind: -kind.count)
