"""Downloads by URL reach public servers only, over https, within limits."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from config.foundation.files import safe_download
from config.foundation.files.safe_download import DownloadError, check_url, download_file, is_public
from tests.waiting import DEADLINE_SECONDS

PUBLIC = "93.184.216.34"
HOST = "shop.example"
URL = f"https://{HOST}/f.csv"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an authority (`ca.pem`) and a certificate of the host that it has signed (`host.pem`)."""
    folder = tmp_path_factory.mktemp("tls")
    authority_key, host_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
    now = datetime.now(UTC)

    def build(subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
            )
        )

    authority = build(issuer, authority_key).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    authority = authority.add_extension(usage, critical=True)
    names = x509.SubjectAlternativeName([x509.DNSName(HOST)])
    host = build(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)]), host_key).add_extension(
        names, critical=False
    )
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(authority.sign(authority_key, hashes.SHA256()).public_bytes(pem))
    key_text = host_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "host.pem").write_bytes(host.sign(authority_key, hashes.SHA256()).public_bytes(pem) + key_text)
    return folder


@dataclass
class TlsServer:
    """A server at the public address that the test's host has; it gives one answer after the other and records the requests.

    Attributes:
        answers: bytes to send, or a function that sends them.
        addresses: the addresses to which connections were made.
    """

    answers: list[bytes | Callable[[ssl.SSLSocket], None]] = field(default_factory=list)
    requests: list[list[str]] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)

    def serve(self, server: socket.socket, context: ssl.SSLContext) -> None:
        while self.answers:
            try:
                plain, _address = server.accept()
            except OSError:
                return  # the test has ended
            # an error of TLS: the client does not trust the server, or has left
            with suppress(OSError), context.wrap_socket(plain, server_side=True) as client:
                self.requests.append(read_head(client))
                answer = self.answers.pop(0)
                if isinstance(answer, bytes):
                    client.sendall(answer)
                else:
                    answer(client)


def send_slowly(client: ssl.SSLSocket, start: bytes) -> None:
    """Begin an answer immediately, and go on until the client leaves."""
    client.sendall(start)
    while True:
        client.sendall(b"x")
        threading.Event().wait(0.01)


def read_head(client: ssl.SSLSocket) -> list[str]:
    head = b""
    while b"\r\n\r\n" not in head:
        head += client.recv(4096)
    return head.decode().split("\r\n")


def answer(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    lines = {"Content-Length": str(len(body)), "Connection": "close"}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    return (
        f"HTTP/1.1 {status}\r\n{''.join(f'{name}: {value}\r\n' for name, value in lines.items())}\r\n".encode() + body
    )


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that sets the addresses of all hosts."""

    def set_addresses(*addresses: str) -> None:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]
        monkeypatch.setattr(safe_download.socket, "getaddrinfo", lambda *args, **kwargs: found)

    return set_addresses


@pytest.fixture
def serve(
    certificates: Path, monkeypatch: pytest.MonkeyPatch, resolve: Callable[..., None]
) -> Iterator[Callable[..., TlsServer]]:
    """Return a function that starts a server with a valid certificate at the public address of all hosts."""
    resolve(PUBLIC)
    tls = TlsServer()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates / "host.pem")
    trusting = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
    monkeypatch.setattr(safe_download.ssl, "create_default_context", lambda: trusting)
    monkeypatch.setattr(safe_download, "CONNECT_SECONDS", DEADLINE_SECONDS)  # the thread of the server may be delayed
    with socket.create_server(("127.0.0.1", 0)) as server, run_thread() as start:
        server.settimeout(DEADLINE_SECONDS)

        def create_connection(address: tuple[str, int], timeout: float) -> socket.socket:
            tls.addresses.append(address[0])
            plain = socket.socket()  # to the server of this test, which no look-up of names leads to
            plain.settimeout(timeout)
            plain.connect(server.getsockname())
            return plain

        monkeypatch.setattr(safe_download.socket, "create_connection", create_connection)

        def start_server(*answers: bytes | Callable[[ssl.SSLSocket], None]) -> TlsServer:
            tls.answers = list(answers)
            start(lambda: tls.serve(server, context))
            return tls

        yield start_server
        server.shutdown(socket.SHUT_RDWR)


@contextmanager
def run_thread() -> Iterator[Callable[[Callable[[], None]], None]]:
    """Yield a function that runs another one in a thread, and wait for its end."""
    threads: list[threading.Thread] = []

    def start(target: Callable[[], None]) -> None:
        threads.append(threading.Thread(target=target))
        threads[-1].start()

    yield start
    for thread in threads:
        thread.join()


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
    serve: Callable[..., TlsServer], resolve: Callable[..., None], tmp_path: Path
) -> None:
    server = serve(answer(b"x"))
    resolve(PUBLIC, "10.0.0.5")
    with pytest.raises(DownloadError, match="FEED_PRIVATE_HOSTS"):
        download_file(url=URL, path=tmp_path / "f", max_bytes=10)
    assert not server.addresses
    download_file(url=URL, path=tmp_path / "f", max_bytes=10, private_hosts=[HOST])
    assert (tmp_path / "f").read_bytes() == b"x"


def test_certificate_must_be_that_of_the_host(serve: Callable[..., TlsServer], tmp_path: Path) -> None:
    server = serve(answer(b"secret"))
    with pytest.raises(DownloadError, match="certificate"):
        download_file(url="https://other.example/f.csv", path=tmp_path / "f", max_bytes=10)
    assert not server.requests
    assert not list(tmp_path.iterdir())


def test_certificate_must_be_signed_by_a_trusted_authority(
    serve: Callable[..., TlsServer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(safe_download.ssl, "create_default_context", lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    server = serve(answer(b"secret"))
    with pytest.raises(DownloadError, match="certificate"):
        download_file(url=URL, path=tmp_path / "f", max_bytes=10)
    assert not server.requests


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ([answer(status="302 Found", Location="http://shop.example/f.csv")], "https"),
        ([answer(status="302 Found", Location="/again")] * 4, "redirected"),
    ],
)
def test_redirect_to_http_or_without_end_is_not_followed(
    serve: Callable[..., TlsServer], tmp_path: Path, answers: list[bytes], problem: str
) -> None:
    serve(*answers)
    with pytest.raises(DownloadError, match=problem):
        download_file(url=URL, path=tmp_path / "f", max_bytes=10)


@pytest.mark.parametrize(
    "wrong",
    [answer(b"0123456789x"), answer(b"01", Content_Length="3"), answer(status="500 Error"), b"no answer", b""],
)
def test_too_large_incomplete_or_wrong_answer_leaves_nothing(
    serve: Callable[..., TlsServer], tmp_path: Path, wrong: bytes
) -> None:
    serve(wrong)
    with pytest.raises(DownloadError):
        download_file(url=URL, path=tmp_path / "f", max_bytes=10)
    assert not list(tmp_path.iterdir())


def test_unchanged_file_is_not_downloaded_again(serve: Callable[..., TlsServer], tmp_path: Path) -> None:
    server = serve(answer(b"new", ETag='"1"'), answer(status="304 Not Modified"))
    first = download_file(url=f"{URL}?a=1", path=tmp_path / "f", max_bytes=10)
    assert (first.is_unchanged, first.etag, first.size) == (False, '"1"', 3)
    second = download_file(url=f"{URL}?a=1", path=tmp_path / "g", max_bytes=10, etag=first.etag)
    assert second.is_unchanged
    assert not (tmp_path / "g").exists()
    assert server.requests[1][0] == "GET /f.csv?a=1 HTTP/1.1"
    assert 'If-None-Match: "1"' in server.requests[1]
    assert f"Host: {HOST}" in server.requests[1]
    assert server.addresses == [PUBLIC, PUBLIC]


@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",  # then the body byte by byte
        b"HTTP/1.1 200 OK\r\nX-Slow: ",  # then a header byte by byte
        b"",  # then the status line
    ],
)
def test_a_server_that_sends_byte_by_byte_is_left_at_the_deadline(
    serve: Callable[..., TlsServer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, start: bytes
) -> None:
    monkeypatch.setattr(safe_download, "TOTAL_SECONDS", 0.3)
    serve(lambda client: send_slowly(client, start))
    with pytest.raises(DownloadError, match="too long"):
        download_file(url=URL, path=tmp_path / "f", max_bytes=10_000_000)
    assert not list(tmp_path.iterdir())


def test_a_server_that_never_completes_the_handshake_is_left_at_the_deadline(
    monkeypatch: pytest.MonkeyPatch, resolve: Callable[..., None], tmp_path: Path
) -> None:
    resolve(PUBLIC)
    monkeypatch.setattr(safe_download, "TOTAL_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:  # accepts by the kernel only

        def create_connection(_address: tuple[str, int], timeout: float) -> socket.socket:
            plain = socket.socket()
            plain.settimeout(timeout)
            plain.connect(server.getsockname())
            return plain

        monkeypatch.setattr(safe_download.socket, "create_connection", create_connection)
        with pytest.raises(DownloadError, match="too long"):
            download_file(url=URL, path=tmp_path / "f", max_bytes=10)
