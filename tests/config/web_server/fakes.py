"""Stand-ins for Granian's protocol and its futures, which tests complete by hand."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any


class FakeFuture:
    def __init__(self) -> None:
        self.callbacks: list[Callable[[Any], None]] = []
        self.value: Any = None
        self.error: Exception | None = None
        self.is_cancelled = False

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        self.callbacks.append(callback)

    def finish(self, value: Any = None, *, error: Exception | None = None) -> None:
        self.value, self.error = value, error
        for callback in self.callbacks:
            callback(self)

    def cancel(self) -> None:
        self.is_cancelled = True
        self.finish()

    def cancelled(self) -> bool:
        return self.is_cancelled

    def result(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.value


class FakeProtocol:
    """Records responses; ``future`` is what the last read waits for."""

    def __init__(self) -> None:
        self.future = FakeFuture()
        self.has_ended = False
        self.responses: list[tuple[int, dict[str, str], bytes]] = []
        self.files: list[tuple[int, dict[str, str], str]] = []

    def __call__(self) -> FakeFuture:
        return self.future

    def __aiter__(self) -> "FakeProtocol":
        return self

    def __anext__(self) -> FakeFuture:
        if self.has_ended:
            raise StopAsyncIteration
        self.future = FakeFuture()
        return self.future

    def end(self) -> None:
        """End the body, as Granian does: by an empty part."""
        self.has_ended = True
        self.future.finish(b"")

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.responses.append((status, dict(headers), body))

    def response_empty(self, status: int, headers: list[tuple[str, str]]) -> None:
        if not self.responses and not self.files:
            self.responses.append((status, dict(headers), b""))

    def response_file(self, status: int, headers: list[tuple[str, str]], path: str) -> None:
        self.files.append((status, dict(headers), path))


class FakeHeaders:
    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self.pairs = pairs

    def keys(self) -> list[str]:
        return list(dict(self.pairs))

    def __len__(self) -> int:
        return len(self.keys())

    def items(self) -> list[tuple[str, str]]:
        return [(name, value) for name, value in self.pairs if value.isascii()]


def make_scope(headers: dict[str, str] | list[tuple[str, str]] | None = None, **fields: Any) -> SimpleNamespace:
    defaults = {
        "method": "GET",
        "path": "/",
        "query_string": "",
        "server": "127.0.0.1:8000",
        "client": "192.0.2.7:50123",
        "http_version": "1.1",
        "scheme": "http",
        "authority": None,
        "headers": FakeHeaders(list(headers.items()) if isinstance(headers, dict) else headers or []),
    }
    return SimpleNamespace(**defaults | fields)
