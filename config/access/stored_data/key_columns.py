"""The keyed hashes of recovery codes, which nobody can compute again."""

from config.foundation.keys.key_columns import register_hashed

register_hashed("access.RecoveryCode", "code_hash", unique_with=("user_id",), is_indexed=False)
