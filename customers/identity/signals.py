"""What identity tells the rooms above it, which it does not know.

`customers_merged`: kept_id, folded_id, at, sent inside the merge's transaction.
`customer_erased`: customer_id, at, sent inside the erasure's transaction.
"""

from django.dispatch import Signal

customers_merged = Signal()
customer_erased = Signal()
