"""Test mode: a request with a test key is answered like any other, but writes nothing.

`config.access.test_mode` runs the request in a transaction that is rolled back. This package keeps everything outside the transaction
from being changed: Valkey, the cache, waiting jobs, and the memory of this process.
"""

from config.foundation.test_mode.state import (
    allow_valkey_writes,
    enter_test_mode,
    is_test_mode,
    may_write_to_valkey,
    run_after_rollback,
)

__all__ = [
    "allow_valkey_writes",
    "enter_test_mode",
    "is_test_mode",
    "may_write_to_valkey",
    "run_after_rollback",
]
