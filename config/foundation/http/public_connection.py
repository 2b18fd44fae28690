"""HTTP connections to addresses of the public internet only, so that a URL from a user cannot reach the server's network (SSRF).

The name is resolved once and the connection goes to a checked address, as in `config/foundation/files/safe_download.py`.
"""

import http.client
from functools import partial
from urllib.parse import SplitResult

from config.foundation.http.call_limit import limit_call


class ForbiddenAddressError(Exception):
    """The URL is not https, or leads to an address that is not public."""


def connect(parts: SplitResult, *, private_hosts: frozenset[str], timeout: float) -> http.client.HTTPConnection:
    """Open a connection to a checked address. Raises ForbiddenAddressError, OSError.

    private_hosts: names that may have private addresses and plain http. timeout: of each wait, and of the whole TLS handshake.
    """
    from django.conf import settings

    if not settings.configured:  # in the delivery process, where the texts of errors need no translation
        settings.configure(USE_I18N=False)
    from config.foundation.files.safe_download import DownloadError, PinnedConnection, check_url, find_address

    host = parts.hostname or ""
    if parts.scheme == "http" and host in private_hosts:
        plain = http.client.HTTPConnection(host, parts.port or 80, timeout=timeout)
        plain.connect()
        return plain
    try:
        check_url(parts.geturl())
        connection = PinnedConnection(parts, address=find_address(parts, private_hosts))
    except DownloadError as error:
        raise ForbiddenAddressError(str(error)) from error
    connection.timeout = timeout
    with limit_call(partial(getattr, connection, "sock", None), seconds=timeout):
        connection.connect()
    return connection
