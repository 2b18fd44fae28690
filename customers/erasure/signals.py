"""Signals of erasures.

`people_erased`: customer_ids, hashes (of the identifiers, as `BlockedIdentifier` stores them), at. Sent when all steps of a run are done.
"""

from django.dispatch import Signal

people_erased = Signal()
