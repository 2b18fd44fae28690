"""Downloads a file that a user named by its URL, without giving access to the network of the server (SSRF).

Only https is used, and only public addresses are connected to: the name is resolved once, all its addresses are checked, and the
connection goes to a checked address, so that a second DNS look-up cannot lead elsewhere. Redirects are checked the same way.

A deadline bounds the whole download, from the first connection to the last byte: a timer shuts the connection down, even if the server is
still sending. Each single wait for the server is bounded too.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urljoin, urlsplit

from django.utils.translation import gettext as _

from config.foundation.files.private_files import make_private_folder

CHUNK_BYTES = 256 * 1024
CONNECT_SECONDS = 15.0
TOTAL_SECONDS = 30 * 60.0
MAX_REDIRECTS = 3
MAX_URL_LENGTH = 2000
HTTPS_PORT = 443
REDIRECTS = frozenset({301, 302, 303, 307, 308})
USER_AGENT = "Perennial"
# IPv6 addresses that contain an IPv4 address, which a gateway of the network may connect to
NAT64 = ipaddress.ip_network("64:ff9b::/96")


class DownloadError(Exception):
    """The file cannot be downloaded; the message gives the reason and the fix."""


@dataclass(frozen=True)
class Download:
    """The result of a request.

    Attributes:
        is_unchanged: the server answered that the file is the one that the validators describe; nothing was written.
        etag, last_modified: the validators for the next request; empty if the server sends none.
    """

    is_unchanged: bool
    etag: str = ""
    last_modified: str = ""
    size: int = 0


def download_file(
    *,
    url: str,
    path: Path,
    max_bytes: int,
    etag: str = "",
    last_modified: str = "",
    private_hosts: Collection[str] = (),
    seconds: float | None = None,
) -> Download:
    """Download a URL to a file, which appears only when it is complete.

    Args:
        etag, last_modified: the validators of the last download; the server may then answer that nothing has changed.
        private_hosts: host names that may have private addresses.
        seconds: how long the whole download may take; default: ``TOTAL_SECONDS``.

    Raises:
        DownloadError: the URL is not allowed, the server does not answer, or the file is too large.
    """
    seconds = TOTAL_SECONDS if seconds is None else seconds
    deadline = time.monotonic() + seconds
    headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    headers |= {"If-None-Match": etag} if etag else {}
    headers |= {"If-Modified-Since": last_modified} if last_modified else {}
    for _attempt in range(MAX_REDIRECTS + 1):
        require_time(deadline)
        parts = check_url(url)
        target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        connection = PinnedConnection(parts, address=find_address(parts, private_hosts))
        connection.timeout = min(CONNECT_SECONDS, seconds)
        try:
            with close_at(deadline, connection):
                connection.request("GET", target, headers=headers)
                response = connection.getresponse()
                if response.status not in REDIRECTS:
                    return read_response(response, path, max_bytes=max_bytes, deadline=deadline)
                url = urljoin(url, response.headers.get("Location", ""))
        except (OSError, http.client.HTTPException, ValueError) as error:
            require_time(deadline, cause=error)
            raise DownloadError(
                _("%(host)s is not responding: %(reason)s. Check the URL, or try again later.")
                % {"host": parts.hostname, "reason": str(error) or type(error).__name__}
            ) from error
        finally:
            connection.close()
    raise DownloadError(_("The URL is redirected more than %(count)d times.") % {"count": MAX_REDIRECTS})


@contextmanager
def close_at(deadline: float, connection: "PinnedConnection") -> Iterator[None]:
    """Shut the connection down at the deadline; a read that waits then fails."""
    timer = threading.Timer(max(0.0, deadline - time.monotonic()), connection.shut_down)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def require_time(deadline: float, *, cause: Exception | None = None) -> None:
    """Raise DownloadError after the deadline."""
    if time.monotonic() >= deadline:
        raise DownloadError(_("The download takes too long.")) from cause


def check_url(url: str) -> SplitResult:
    """Return the parts of an https URL. Raises DownloadError."""
    try:
        parts = urlsplit(url)
        _port = parts.port  # urlsplit checks the port only when it is read
        is_valid = bool(parts.hostname)
    except ValueError:
        is_valid = False
    if not is_valid or len(url) > MAX_URL_LENGTH or not url.isprintable() or " " in url:
        raise DownloadError(_("This is not a valid URL; use a format like https://shop.example/feed.xml."))
    if parts.scheme != "https":
        raise DownloadError(_("The URL must begin with https://."))
    if parts.username is not None or parts.password is not None:
        raise DownloadError(_("The URL must not contain a user name or a password."))
    return parts


def find_address(parts: SplitResult, private_hosts: Collection[str]) -> str:
    """Return an address of the host. Raises DownloadError if any of its addresses is not public, unless the host is allowed."""
    host = (parts.hostname or "").rstrip(".").lower()
    try:
        found = socket.getaddrinfo(host, parts.port or HTTPS_PORT, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise DownloadError(_("The host %(host)s is unknown. Check the URL.") % {"host": host}) from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    require_public(host, addresses, private_hosts)
    return addresses[0]


def check_public_url(url: str, private_hosts: Collection[str]) -> SplitResult:
    """Return the parts of an https URL whose host is not visibly private. Raises DownloadError.

    Only the text is checked: the addresses of a name are found, and checked, with each connection.
    """
    parts = check_url(url)
    host = (parts.hostname or "").rstrip(".").lower()
    if host == "localhost" or host.endswith(".localhost"):
        require_public(host, ["127.0.0.1"], private_hosts)
    with suppress(OSError, UnicodeError):  # a name, not an address in any of its forms
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        require_public(host, [str(entry[4][0]) for entry in found], private_hosts)
    return parts


def require_public(host: str, addresses: Collection[str], private_hosts: Collection[str]) -> None:
    """Raise DownloadError if any address of the host is not public, unless the host is allowed."""
    if host not in private_hosts and not all(map(is_public, addresses)):
        raise DownloadError(
            _(
                "The host %(host)s has a private address. Only public addresses are used; an operator can allow the host with "
                "FEED_PRIVATE_HOSTS for feeds, or with WEBHOOK_PRIVATE_HOSTS for webhooks and links."
            )
            % {"host": host}
        )


def is_public(text: str) -> bool:
    """Return whether an address belongs to the public internet."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        elif address.sixtofour is not None:
            address = address.sixtofour
        elif address in NAT64:
            address = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.is_global and not address.is_multicast


class PinnedConnection(http.client.HTTPSConnection):
    """An HTTPS connection to a given address, whose certificate must be that of the host."""

    def __init__(self, parts: SplitResult, *, address: str) -> None:
        context = ssl.create_default_context()
        super().__init__(parts.hostname or "", parts.port or HTTPS_PORT, timeout=CONNECT_SECONDS, context=context)
        self.address = address
        self.is_shut_down = False

    def connect(self) -> None:
        plain = socket.create_connection((self.address, self.port), self.timeout)
        # as http.client does: the body follows the headers immediately instead of after their acknowledgment
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # the handshake follows separately, so that `shut_down` can end it as well
        self.sock = self._context.wrap_socket(  # type: ignore[attr-defined]
            plain, server_hostname=self.host, do_handshake_on_connect=False
        )
        if self.is_shut_down:
            raise TimeoutError
        self.sock.do_handshake()

    def shut_down(self) -> None:
        """End the connection from another thread; the thread that waits for the server gets an error or the end of the data."""
        self.is_shut_down = True
        if self.sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)  # without a TLS shutdown message, which could block


def read_response(response: http.client.HTTPResponse, path: Path, *, max_bytes: int, deadline: float) -> Download:
    """Write the body to the file, in bounded time and size. Raises DownloadError."""
    if response.status == http.client.NOT_MODIFIED:
        return Download(is_unchanged=True)
    if response.status != http.client.OK:
        raise DownloadError(
            _("The server responded with %(status)d %(reason)s. Check the URL.")
            % {"status": response.status, "reason": response.reason}
        )
    size = 0
    draft = path.with_name(f"{path.name}.part")
    make_private_folder(path.parent)
    try:
        with draft.open("wb") as file:
            # read1 returns what has arrived; read would wait for a whole chunk, for a very long time if the server sends slowly
            while chunk := response.read1(CHUNK_BYTES):
                size += len(chunk)
                if size > max_bytes:
                    raise DownloadError(_("The file is larger than %(max)d MB.") % {"max": max_bytes // (1024 * 1024)})
                file.write(chunk)
        require_time(deadline)  # the body may have ended only because the connection was shut down
        declared = response.headers.get("Content-Length", "")
        if declared.isdecimal() and int(declared) != size:
            raise DownloadError(_("The connection ended before the file was complete. Try again later."))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return Download(
        is_unchanged=False,
        etag=response.headers.get("ETag", "")[:200],
        last_modified=response.headers.get("Last-Modified", "")[:100],
        size=size,
    )
