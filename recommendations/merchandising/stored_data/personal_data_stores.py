"""Rules are about products; the file of segment members holds keyed hashes."""

from config.foundation.personal_data.locations import files, table
from config.foundation.personal_data.registry import register_impersonal

register_impersonal(table("merchandising.Rule"), reason="Rules as staff defined them.")
register_impersonal(
    files("merchandising/*"),
    reason="Keyed hashes of the members of segments, rewritten every few minutes without erased customers.",
)
