"""The protocol of a store of personal data."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import IntEnum
from typing import Any

from django.utils.functional import Promise

from config.foundation.personal_data.locations import StoredLocation
from config.foundation.personal_data.person import Finding, Person


class ErasurePhase(IntEnum):
    """When a store is erased: what could be copied to other stores comes first."""

    INTAKE = 10  # data on its way in: queues, uploads, events that wait
    ROWS = 20
    DERIVED = 30  # what is computed from rows: caches, files of the warehouse, models
    RECORDS = 40  # logs and the audit log, which the erasure itself writes to
    LAST = 50  # the customers themselves


class PersonalDataStore(ABC):
    """A store of personal data, which can erase, find and export what it holds about a person.

    Attributes:
        key: unique, such as "events.stored".
        label: what it holds, for people who read an erasure's progress or an export.
        locations: everything that it covers; the inventory test compares them with all tables, files and keys.
        kept: what stays after an erasure and why; empty if nothing does.
        phase: stores of an earlier phase are erased first.
        is_repeated: whether the store is erased again at the end, to catch data that was still on its way when the erasure began.
    """

    key: str
    label: str | Promise
    locations: tuple[StoredLocation, ...] = ()
    kept: str | Promise = ""
    phase: ErasurePhase = ErasurePhase.ROWS
    is_repeated: bool = False

    @abstractmethod
    def erase(self, people: Sequence[Person]) -> int:
        """Erase what is stored about these people; return the number of rows, files or keys changed.

        It runs in a transaction of its own and can be repeated: a second call changes nothing and returns 0.
        """

    @abstractmethod
    def find(self, people: Sequence[Person]) -> list[Finding]:
        """Return what is stored about these people, in one pass however many they are."""

    def export(self, person: Person) -> Iterator[dict[str, Any]]:
        """Yield records about the person with readable field names; by default none."""
        return iter(())

    def has_writer_since_before(self, at: datetime) -> bool:
        """Return whether a job that began before ``at`` may still write what it has read about people; by default none does.

        An erasure that became effective at that time is verified only after the job.
        """
        return False

    def make_finding(self, location: StoredLocation | str, count: int, recognized_by: str = "") -> Finding:
        """Return a finding of this store."""
        return Finding(self.key, str(location), count, recognized_by)
