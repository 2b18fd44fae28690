"""Signals of erasures.

`people_unrecognized`: customer_ids, hashes, effective_at, at. Sent by every attempt of a run, after its erasure has become effective and
before its steps: what must not depend on the success of every store. Receivers are called again for the same people.

`people_erased`: customer_ids, hashes (of the identifiers, as `BlockedIdentifier` stores them), effective_at, at. Sent when all steps of
a run are done, in the transaction that marks the run as done: if a receiver raises, the run stays open, is resumed, and the signal is sent again.
A receiver may return a text about what it could not do although the run is done: it becomes the `error` of the run.
"""

from django.dispatch import Signal

people_unrecognized = Signal()
people_erased = Signal()
