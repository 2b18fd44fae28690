"""Rotations hold ids of keys, ranges of row numbers and counts."""

from config.foundation.personal_data.locations import table
from config.foundation.personal_data.registry import register_impersonal

register_impersonal(
    *(table(f"encryption_keys.{name}") for name in ("KeyRotation", "RotationPart", "KeyUse")),
    reason="Ids of keys, ranges of row numbers and counts.",
)
register_impersonal(
    table("encryption_keys.HashTranslation"),
    reason="Keyed hashes, which nobody can reverse; a rotation deletes them when it ends.",
)
