"""Let the requests of a web process run while another of its threads works in the background."""

import gc
import time

PAUSE_SECONDS = 0.0001


def pause_for_requests() -> None:
    """Release the GIL for longer than a waiting thread needs to take it; call this after every few milliseconds of Python work.

    Without it, a request waits up to 5 ms (`sys.getswitchinterval`) each time it takes the GIL, and it takes it a dozen times.
    `time.sleep(0)` releases the GIL too, but may take it back before another thread has woken up.
    """
    time.sleep(PAUSE_SECONDS)


def exclude_from_collections() -> None:
    """Exclude all present objects from garbage collections, each of which would stop requests for as long as many responses take.

    For large objects that were just loaded. Only the newest objects are collected first, because with cached searches a full collection
    takes 100 ms. Excluded objects are freed when nothing refers to them; only cycles stay forever, so replaced states must not be part of one.
    """
    gc.collect(1)
    gc.freeze()
