"""The encrypted and hashed columns of customers, in addition to encrypted fields."""

from config.foundation.keys.key_columns import register_encrypted, register_hashed

IS_HASH = "t.kind IN ('email_hash', 'phone_hash', 'openid_hash', 'unionid_hash')"

register_encrypted("identity.IdentityMerge", "moved")
register_encrypted("identity.IdentifierTransfer", "cleared")
register_hashed("identity.Identifier", "value", condition=IS_HASH, unique_with=("kind",))
register_hashed(
    "identity.ConsentDenial",
    "value",
    condition=IS_HASH,
    unique_with=("kind", "purpose"),
)
register_hashed(
    "identity.ContactClaim",
    "value",
    condition=IS_HASH,
    unique_with=("identifier_id", "kind"),
    is_indexed=False,
)
register_hashed("identity.IdentityConflict", "identifiers", is_json=True)
register_hashed("identity.IdentityMerge", "moved", is_json=True)
