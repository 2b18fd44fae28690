"""What undoing an import needs holds earlier values of customers, encrypted and hashed."""

from config.foundation.keys.key_columns import register_encrypted, register_hashed

for name in ("before", "after"):
    register_encrypted("imports.ImportChange", name)
    register_hashed("imports.ImportChange", name, is_json=True)
