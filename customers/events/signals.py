"""Signals to apps that events does not import.

`events_removed`: customer_ids, at. Events of these customers were deleted; sent inside a transaction, after the deletion. A receiver counts
again what it has counted.
"""

from django.dispatch import Signal

events_removed = Signal()
