"""Signals of erasures.

`people_erased`: customer_ids, hashes (of the identifiers, as `BlockedIdentifier` stores them), at. Sent when all steps of a run are done,
in the transaction that marks the run as done: if a receiver raises, the run stays open, is resumed, and the signal is sent again.
A receiver may return a text about what it could not do although the run is done: it becomes the `error` of the run.
"""

from django.dispatch import Signal

people_erased = Signal()
