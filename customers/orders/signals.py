"""Signals to apps that orders does not import.

`orders_changed`: customer_ids, those of the orders that a file, the REST API or a connector created or changed, and of the customers who had
such an order before. Sent inside the transaction, after the change, so what a receiver writes is committed with the orders. Orders of
events are not sent: event processing updates what depends on them in its own transaction.
"""

from django.dispatch import Signal

orders_changed = Signal()
