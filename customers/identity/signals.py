"""What identity tells the rooms above it, which it does not know; each sent once for a whole set, inside the transaction.

`customers_merged`: pairs [(kept_id, folded_id), …], at. A receiver moves its rows from the folded to the kept customer and
returns what it moved, ``{folded_id: {"app.model": [ids]}}``, or None. The folded customers are deleted afterwards.

`merge_reverted`: merges [(kept_id, folded_id, {"app.model": [ids]})], at. The folded customer is there again; a receiver gives
back those of the rows that still belong to the kept one.

`consent_refused`: identifiers [(kind, value), …] whose person has refused analytics or personalisation; sent after the commit.
`consent_returned`: identifiers whose person refuses neither any more; sent after the commit.

`customer_erased`: customer_id, at, sent inside the erasure's transaction.
"""

from django.dispatch import Signal

customers_merged = Signal()
merge_reverted = Signal()
consent_refused = Signal()
consent_returned = Signal()
customer_erased = Signal()
