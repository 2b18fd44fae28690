"""The keyed hashes of suppressed addresses and of browsers."""

from config.foundation.keys.key_columns import register_hashed

register_hashed("sending.Suppression", "value_hash", unique_with=("kind",))
register_hashed("sending.PushSubscription", "endpoint_hash", unique_with=(), plain="endpoint")
