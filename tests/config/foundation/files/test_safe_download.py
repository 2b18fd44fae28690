"""Downloads by URL reach public servers only, over https, within limits."""

import http.client
import io
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from config.foundation.files import safe_download
from config.foundation.files.safe_download import DownloadError, check_url, download_file, is_public

PUBLIC = "93.184.216.34"


class FakeResponse(io.BytesIO):
    def __init__(self, body: bytes = b"", status: int = 200, **headers: str) -> None:
        super().__init__(body)
        self.status = status
        self.reason = "OK"
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class FakeConnection:
    """Records requests and gives one answer after the other."""

    def __init__(self, *answers: FakeResponse) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[str, dict[str, str]]] = []

    def request(self, method: str, target: str, headers: dict[str, str]) -> None:
        self.requests.append((target, headers))

    def getresponse(self) -> FakeResponse:
        return self.answers.pop(0)

    def close(self) -> None:
        """Do nothing."""


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that sets the addresses of all hosts."""

    def set_addresses(*addresses: str) -> None:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)

    return set_addresses


def connect(monkeypatch: pytest.MonkeyPatch, *answers: FakeResponse) -> tuple[FakeConnection, list[str]]:
    connection, addresses = FakeConnection(*answers), list[str]()

    def open_connection(parts: Any, address: str) -> FakeConnection:
        addresses.append(address)
        return connection

    monkeypatch.setattr(safe_download, "open_connection", open_connection)
    return connection, addresses


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "192.168.1.1", "172.16.0.9", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "::1", "fe80::1%eth0",
        "fc00::1", "::ffff:127.0.0.1", "2002:7f00:1::", "64:ff9b::a00:1",
    ],
)  # fmt: skip
def test_addresses_of_the_own_network_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", [PUBLIC, "2606:4700::1111", "::ffff:93.184.216.34"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/feed.csv", "ftp://shop.example/f", "file:///etc/passwd", "https://", "https://shop.example:99999/f",
        "https://user:secret@shop.example/f", "https://shop.example/a b", "https://shop.example/a\r\nHost: x", "shop.example/feed.csv",
        "https://[::1",
    ],
)  # fmt: skip
def test_urls_that_are_not_plain_https_are_rejected(url: str) -> None:
    with pytest.raises(DownloadError):
        check_url(url)


def test_host_with_any_private_address_is_not_connected_to(
    monkeypatch: pytest.MonkeyPatch, resolve: Callable[..., None], tmp_path: Path
) -> None:
    resolve(PUBLIC, "10.0.0.5")
    _connection, addresses = connect(monkeypatch, FakeResponse(b"x"))
    with pytest.raises(DownloadError, match="FEED_PRIVATE_HOSTS"):
        download_file(url="https://shop.example/f.csv", path=tmp_path / "f", max_bytes=10)
    assert not addresses
    download_file(url="https://shop.example/f.csv", path=tmp_path / "f", max_bytes=10, private_hosts=["shop.example"])
    assert (tmp_path / "f").read_bytes() == b"x"


def test_redirect_to_a_private_address_or_to_http_is_not_followed(
    monkeypatch: pytest.MonkeyPatch, resolve: Callable[..., None], tmp_path: Path
) -> None:
    resolve(PUBLIC)
    connect(monkeypatch, FakeResponse(status=302, Location="http://shop.example/f.csv"))
    with pytest.raises(DownloadError, match="https"):
        download_file(url="https://shop.example/f.csv", path=tmp_path / "f", max_bytes=10)
    answers = [FakeResponse(status=302, Location="/again")] * 9
    connect(monkeypatch, *answers)
    with pytest.raises(DownloadError, match="redirected"):
        download_file(url="https://shop.example/f.csv", path=tmp_path / "f", max_bytes=10)


def test_too_large_or_incomplete_file_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, resolve: Callable[..., None], tmp_path: Path
) -> None:
    resolve(PUBLIC)
    for answer in (FakeResponse(b"0123456789x"), FakeResponse(b"01", Content_Length="3"), FakeResponse(status=500)):
        connect(monkeypatch, answer)
        with pytest.raises(DownloadError):
            download_file(url="https://shop.example/f.csv", path=tmp_path / "f", max_bytes=10)
    assert not list(tmp_path.iterdir())


def test_unchanged_file_is_not_downloaded_again(
    monkeypatch: pytest.MonkeyPatch, resolve: Callable[..., None], tmp_path: Path
) -> None:
    resolve(PUBLIC)
    connection, addresses = connect(monkeypatch, FakeResponse(b"new", ETag='"1"'), FakeResponse(status=304))
    first = download_file(url="https://shop.example/f.csv?a=1", path=tmp_path / "f", max_bytes=10)
    assert (first.is_unchanged, first.etag, first.size) == (False, '"1"', 3)
    second = download_file(url="https://shop.example/f.csv?a=1", path=tmp_path / "g", max_bytes=10, etag=first.etag)
    assert second.is_unchanged
    assert not (tmp_path / "g").exists()
    assert connection.requests[1][0] == "/f.csv?a=1"
    assert connection.requests[1][1]["If-None-Match"] == '"1"'
    assert addresses == [PUBLIC, PUBLIC]


def test_a_server_that_sends_byte_by_byte_is_left_at_the_deadline(
    monkeypatch: pytest.MonkeyPatch, resolve: Callable[..., None], tmp_path: Path
) -> None:
    resolve(PUBLIC)
    is_over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def send_slowly() -> None:
            client, _address = server.accept()
            with client:
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
                with suppress(OSError):  # the client is gone
                    while not is_over.wait(0.02):
                        client.sendall(b"x")

        server.settimeout(20)
        thread = threading.Thread(target=send_slowly)
        thread.start()
        connection = http.client.HTTPConnection("127.0.0.1")
        connection.sock = socket.socket()  # connected here, because look-ups of names are replaced in this test
        connection.sock.settimeout(20)
        connection.sock.connect(server.getsockname())
        monkeypatch.setattr(safe_download, "open_connection", lambda _parts, _address: connection)
        monkeypatch.setattr(safe_download, "TOTAL_SECONDS", 0.2)
        try:
            with pytest.raises(DownloadError, match="longer"):
                download_file(url="https://shop.example/f.csv", path=tmp_path / "f", max_bytes=10_000_000)
        finally:
            is_over.set()
            thread.join()
    assert not list(tmp_path.iterdir())
