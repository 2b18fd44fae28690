"""The signal of new reviews and survey answers."""

from django.dispatch import Signal

feedback_received = Signal()
"""Sent in the transaction that writes reviews or survey answers. Arguments: customer_ids (the known authors)."""
