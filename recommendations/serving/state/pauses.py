"""Let the requests of a web process run while another of its threads works in the background."""

import gc
import time

PAUSE_SECONDS = 0.0001


def pause_for_requests() -> None:
    """Release the GIL for longer than a waiting thread needs to take it; to call after every few milliseconds of Python work.

    Without it, each request waits up to 5 ms (`sys.getswitchinterval`) for every time that it takes the GIL, and takes it a dozen times.
    `time.sleep(0)` releases the GIL too, but may take it back before another thread has woken up.
    """
    time.sleep(PAUSE_SECONDS)


def exclude_from_collections() -> None:
    """Exclude all present objects from garbage collections, each of which would stop requests for as long as many responses take.

    For large objects that were just loaded. Only the newest objects are collected before: cached searches make a whole collection last
    100 ms. Excluded objects are freed when nothing refers to them; only cycles stay forever, so replaced states must be in none.
    """
    gc.collect(1)
    gc.freeze()
