"""Builds the search index in a separate process, while the threads of a web process serve requests."""

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

from django.conf import settings
from django.db import DatabaseError, connection

from config.foundation.database.advisory_locks import AlreadyRunningError, exclusive_lock
from config.foundation.processes.dependent_process import run_dependent
from recommendations.serving.search.index.storage import read_pointer

INDEX_LOCK = "search index"  # held by the process that builds or merges the index
BUILDER_LOCK = "search index builder"
WAIT_SECONDS = 1.0  # how long to wait for the builder of another process
RETRY_SECONDS = 300.0
BUILD_COMMAND = (sys.executable, "manage.py", "build_search_index", "--end-with-starter")
logger = logging.getLogger(__name__)


class IndexBuilder:
    """Starts the command that builds and saves the index; in a thread, its Python code would delay every request of the process.

    The command ends with this process.
    """

    def __init__(self, command: Sequence[str] = BUILD_COMMAND) -> None:
        self.command = command
        self.failed_at = float("-inf")
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """Whether the index is being built, by this or another process; this process will open the result."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def is_available(self) -> bool:
        """Whether the command can be used, because it has not failed in the last few minutes."""
        return time.monotonic() - self.failed_at > RETRY_SECONDS

    def start(self) -> None:
        """Start the command unless it is running, and return immediately; `is_running` is true from then on."""
        if not self.is_running:
            self._thread = threading.Thread(target=self._run, name="search-index-builder", daemon=True)
            self._thread.start()

    def wait(self) -> None:
        """Wait until the command has ended."""
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        before = read_pointer()
        try:
            while read_pointer() == before:  # no other process has built it meanwhile
                try:
                    with exclusive_lock(BUILDER_LOCK):
                        with exclusive_lock(INDEX_LOCK):
                            pass  # nobody is building, not even a command whose starter has ended
                        run_dependent(self.command, folder=settings.BASE_DIR)
                    return
                except AlreadyRunningError:
                    time.sleep(WAIT_SECONDS)
        except (OSError, subprocess.SubprocessError, DatabaseError) as error:
            self.failed_at = time.monotonic()
            logger.warning(
                "The search index is built in this process, because a separate process could not build it: %s", error
            )
        finally:
            connection.close()
