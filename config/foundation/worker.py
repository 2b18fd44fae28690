"""The queues of the workers, and whether the worker of this process is about to stop."""

import mmap

# Imports, trainings and everything else that may take minutes.
LONG_QUEUE = "celery"
# What runs every few seconds, such as sending messages: long tasks must not delay it, and it must not delay them.
FREQUENT_QUEUE = "frequent"

_stopping = mmap.mmap(-1, 1)  # shared with the processes that the worker forks


def announce_stop() -> None:
    """Tell the running tasks that the worker is about to stop; only the first process of a worker is told itself."""
    _stopping[0] = 1


def is_worker_stopping() -> bool:
    """Return whether a task should end early, and leave the rest to its next run, so that the worker need not be killed."""
    return bool(_stopping[0])
