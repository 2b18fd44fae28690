"""The encrypted parts of events and sources, in addition to encrypted fields."""

from config.foundation.keys.key_columns import register_encrypted
from customers.identity.personal_data.masking import PERSONAL_PART

register_encrypted("events.Event", "properties", condition=f"t.properties ? '{PERSONAL_PART}'")
register_encrypted("events.Source", "sealed_token_key", condition="t.sealed_token_key <> ''")
