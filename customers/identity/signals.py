"""Signals of identity for the apps above it, which it does not import; each is sent once per set, inside the transaction.

`customers_merged`: pairs [(kept_id, merged_id), …], at. A receiver moves its rows from the merged to the kept customer and
returns what it moved, ``{merged_id: {"app.model": [ids]}}``, or None. The merged customers are deleted afterwards.

`merge_reverted`: merges [(kept_id, merged_id, {"app.model": [ids]})], at. The merged customer exists again; a receiver moves
back those rows that still belong to the kept customer.

`identifiers_transferred`: customer_ids, at. Identifiers went from one of these customers to another, and their events with them.

`consent_denied`: identifiers [(kind, value), …] of customers who now deny analytics or personalization; sent after the commit.
`consent_restored`: identifiers of customers who no longer deny either; sent after the commit.

`processing_restricted`: customer_id, scope of a `ProcessingRestriction`, at; sent inside the transaction that restricts.

`customer_erased`: customer_id, replacement_id, at, sent inside the erasure's transaction, while the identifiers still exist. The rows that
results count get the replacement, an anonymous number.
`identifiers_released`: identifiers [(kind, value), …] of an erased person who may come back.

`customers_deleted`: customer_ids of visitors whose data was removed or kept long enough, sent before they are deleted, in the same
transaction.
"""

from django.dispatch import Signal

customers_merged = Signal()
merge_reverted = Signal()
identifiers_transferred = Signal()
consent_denied = Signal()
consent_restored = Signal()
customer_erased = Signal()
processing_restricted = Signal()
customers_deleted = Signal()
identifiers_released = Signal()
