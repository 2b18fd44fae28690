"""Build the WSGI environ of a request from the scope of Granian's RSGI interface."""

import sys
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from config.foundation.http.deferred_response import DEFERRED_RESPONSES

type Environ = dict[str, Any]
type Scope = Any  # granian.rsgi.Scope

# Unlike Granian's own environ, this one has no variables of the process: no secrets, and no HTTP_PROXY that looks like a header.
SAME_FOR_ALL: Environ = {
    "GATEWAY_INTERFACE": "CGI/1.1",
    "SCRIPT_NAME": "",
    "SERVER_SOFTWARE": "Granian",
    "wsgi.errors": sys.stderr,
    "wsgi.input_terminated": True,
    "wsgi.multiprocess": True,
    "wsgi.multithread": True,
    "wsgi.run_once": False,
    "wsgi.version": (1, 0),
    DEFERRED_RESPONSES: True,
}
PROTOCOLS = {"1": "HTTP/1.0", "1.1": "HTTP/1.1"}
# Range requests get the whole file: a thread would have to send the part of a static file, and wait for the client.
IGNORED_HEADERS = {"range"}
COMMON_HEADERS = (
    "accept accept-encoding accept-language authorization cache-control connection cookie dnt expect forwarded host "
    "if-modified-since if-none-match idempotency-key origin pragma priority referer sec-ch-ua sec-ch-ua-mobile "
    "sec-ch-ua-platform sec-fetch-dest sec-fetch-mode sec-fetch-site sec-fetch-user sec-gpc te transfer-encoding "
    "upgrade-insecure-requests user-agent via x-csrftoken x-forwarded-for x-forwarded-host x-forwarded-port "
    "x-forwarded-proto x-real-ip x-request-id x-requested-with x-retry-count x-write-key"
)


def format_header_key(name: str) -> str:
    return "HTTP_" + name.upper().replace("-", "_")


KEYS = {name: format_header_key(name) for name in COMMON_HEADERS.split()} | {
    "content-length": "CONTENT_LENGTH",
    "content-type": "CONTENT_TYPE",
}


def build_environ(scope: Scope) -> Environ:
    """Return the environ of a request, without ``wsgi.input``."""
    environ = SAME_FOR_ALL.copy()
    environ["REQUEST_METHOD"] = scope.method
    environ["PATH_INFO"] = to_wsgi_text(scope.path)
    environ["QUERY_STRING"] = to_wsgi_text(scope.query_string)
    environ["SERVER_NAME"], environ["SERVER_PORT"] = split_address(scope.server)
    environ["REMOTE_ADDR"] = split_address(scope.client)[0]
    environ["SERVER_PROTOCOL"] = PROTOCOLS[scope.http_version]
    environ["wsgi.url_scheme"] = scope.scheme
    headers = scope.headers
    pairs = headers.items()
    are_distinct = add_headers(environ, pairs)
    if not are_distinct or len(pairs) != len(headers):  # len(headers) is the number of names
        names = {name for name, _value in pairs}
        # Granian leaves out values that are not ASCII. Add them as empty values, which are invalid too even where a missing header is not.
        add_headers(environ, [(name, "") for name in headers.keys() if name not in names])  # noqa: SIM118 — no dict
    if "HTTP_HOST" not in environ:
        environ["HTTP_HOST"] = scope.authority or ""
    return environ


def add_headers(environ: Environ, pairs: Iterable[tuple[str, str]]) -> bool:
    """Add headers; return False if a name was repeated, or may have been."""
    are_distinct = True
    for name, value in pairs:
        key = KEYS.get(name)
        if key is None:
            if "_" in name or name in IGNORED_HEADERS:
                are_distinct = False
                continue  # X_Forwarded_For would become the same key as the header that only a proxy may set
            key = format_header_key(name)
        if key in environ:
            are_distinct = False
            value = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{value}"
        environ[key] = value
    return are_distinct


def to_wsgi_text(text: str) -> str:
    """Return the UTF-8 encoding of a text in the form that WSGI requires: each byte as a character."""
    return text if text.isascii() else text.encode().decode("latin-1")


@lru_cache(maxsize=4096)  # a connection sends many requests
def split_address(address: str) -> tuple[str, str]:
    """Split an address like ``127.0.0.1:8000`` or ``[::1]:8000``."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), port
