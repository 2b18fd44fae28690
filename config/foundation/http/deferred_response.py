"""Responses that are ready later, so that no thread of the web server waits for them."""

from collections.abc import Callable, Iterable, Iterator

DEFERRED_RESPONSES = "perennial.deferred_responses"  # key of an environ: true if the server sends deferred responses

type Send = Callable[[Iterable[bytes]], None]


class DeferredResponse:
    """What a WSGI application returns if its response is not ready; only for a server whose environ has `DEFERRED_RESPONSES`.

    The server calls ``send_later`` with a function. The application calls ``start_response``, and then this function with the
    body, immediately or later and in any thread.
    """

    def __init__(self, send_later: Callable[[Send], None]) -> None:
        self.send_later = send_later

    def __iter__(self) -> Iterator[bytes]:
        raise TypeError("A deferred response cannot be iterated; call send_later.")
