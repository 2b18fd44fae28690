"""The keyed hashes of the addresses of guests."""

from config.foundation.keys.key_columns import register_hashed

register_hashed("orders.Order", "guest_email_hash", is_indexed=False)
register_hashed("orders.OrderEvent", "guest_email_hash", is_indexed=False)
