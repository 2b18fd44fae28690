"""Settings of a web server that waits for Valkey and for its calculations as long as a busy machine needs, as tests in their process do."""

from typing import Any

from config.foundation import valkey
from config.settings import *  # noqa: F403

RECOMMEND_DEADLINE_MS = 600_000.0
VALKEY_SECONDS = 30.0
initialize = valkey.ValkeyClient.__init__


def initialize_patiently(client: Any, url: str, timeout: float = VALKEY_SECONDS) -> None:
    initialize(client, url, max(timeout, VALKEY_SECONDS))


valkey.ValkeyClient.__init__ = initialize_patiently  # type: ignore[assignment, method-assign]
