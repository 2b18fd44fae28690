"""Where backups and circuit breakers store something, and why it is not about customers."""

from config.foundation.personal_data.locations import files, keys
from config.foundation.personal_data.registry import register_impersonal

register_impersonal(
    keys("breaker:*"),
    reason="Consecutive failures of servers that messages and webhooks are sent to.",
)
register_impersonal(
    files("var/erasures.jsonl", "var/backup-folders.jsonl", "var/restoring"),
    reason="The record of erasures, which restores need: numbers and keyed hashes of people whom no other data names any more. The "
    "folders that have received a backup. And the mark of a restore that has begun.",
)
register_impersonal(
    files("var/tmp/backup-*"),
    reason="Hard links to files while a backup reads them, for a few minutes; they are removed when it ends, or when the next one starts. "
    "Backups keep erased people until they are removed, and a restore erases them again.",
)
