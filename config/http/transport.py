"""HTTPS and security headers for every response: the fast paths', Django's, static files' and errors'."""

import json
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.handlers.wsgi import WSGIRequest

type Environ = dict[str, Any]
type Headers = list[tuple[str, str]]
type StartResponse = Callable[..., Any]
type Application = Callable[[Environ, StartResponse], Iterable[bytes]]

# Load balancers and `up` check these without TLS.
HEALTH_PATHS = ("/health/live", "/health/ready")
SAFE_METHODS = ("GET", "HEAD")
# Headers that identify a caller. A request with one is refused, because a redirect would hide that its key was sent in the clear.
CREDENTIAL_HEADERS = ("HTTP_AUTHORIZATION", "HTTP_X_WRITE_KEY", "HTTP_X_USER_TOKEN")
API_PATH = "/api/"
PERMISSIONS_POLICY = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"


class SecureTransport:
    """A WSGI application that adds security headers to another one's responses and, with HTTPS_ONLY, serves nothing over plain HTTP.

    Attributes:
        hsts: the value of Strict-Transport-Security, or empty; the web server reads it for the error responses that it creates itself.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self.hsts = format_hsts()
        self._added = [
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", settings.SECURE_REFERRER_POLICY),
            ("Permissions-Policy", PERMISSIONS_POLICY),
        ]
        self._added_over_https = [*self._added, ("Strict-Transport-Security", self.hsts)] if self.hsts else self._added
        self._names = {name.lower() for name, _value in self._added_over_https}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        is_secure = is_secure_request(environ)
        added = self._added_over_https if is_secure else self._added

        def start(status: str, headers: Headers, exc_info: Any = None) -> Any:
            names = {name.lower() for name, _value in headers}
            missing = added
            if not names.isdisjoint(self._names):
                missing = [pair for pair in added if pair[0].lower() not in names]
            return start_response(status, headers + missing, exc_info)

        if is_secure or not settings.SECURE_SSL_REDIRECT or environ["PATH_INFO"].rstrip("/") in HEALTH_PATHS:
            return self._application(environ, start)
        return respond_insecure(environ, start)


def is_secure_request(environ: Mapping[str, Any]) -> bool:
    """Return whether the client used HTTPS: to this server, or to the proxy that BEHIND_TLS_PROXY trusts."""
    if environ["wsgi.url_scheme"] == "https":
        return True
    if settings.SECURE_PROXY_SSL_HEADER is None:
        return False
    name, value = settings.SECURE_PROXY_SSL_HEADER
    reported: str = environ.get(name, "").partition(",")[0].strip()
    return reported == value


def format_hsts() -> str:
    """Return the value of Strict-Transport-Security; empty if HSTS is off."""
    if not settings.SECURE_HSTS_SECONDS:
        return ""
    value = f"max-age={settings.SECURE_HSTS_SECONDS}"
    if settings.SECURE_HSTS_INCLUDE_SUBDOMAINS:
        value += "; includeSubDomains"
    return value + "; preload" if settings.SECURE_HSTS_PRELOAD else value


def respond_insecure(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Redirect a page request to HTTPS, and refuse every other request."""
    method = environ["REQUEST_METHOD"]
    if method in SAFE_METHODS and not any(name in environ for name in CREDENTIAL_HEADERS):
        request = WSGIRequest(environ)
        try:
            location = f"https://{settings.SECURE_SSL_HOST or request.get_host()}{request.get_full_path()}"
        except DisallowedHost:
            message = f"Host {environ.get('HTTP_HOST', '')!r} is not allowed; add it to ALLOWED_HOSTS."
            return refuse(environ, start_response, HTTPStatus.BAD_REQUEST, "host_not_allowed", message)
        start_response("301 Moved Permanently", [("Location", location), ("Content-Length", "0")])
        return [b""]
    message = "This server accepts HTTPS only. If a key was sent over plain HTTP, replace the key and use https://."
    return refuse(environ, start_response, HTTPStatus.FORBIDDEN, "https_required", message)


def refuse(
    environ: Environ, start_response: StartResponse, status: HTTPStatus, code: str, message: str
) -> Iterable[bytes]:
    """Answer with an error in the form of the REST API or the collector, whichever the path belongs to."""
    if environ["PATH_INFO"].startswith(API_PATH):
        content_type = "application/problem+json"
        content: dict[str, Any] = {
            "type": "urn:perennial:problem:" + code.replace("_", "-"),
            "title": status.phrase,
            "status": int(status),
            "detail": message,
            "errors": [],
        }
    else:
        content_type, content = "application/json", {"success": False, "code": code, "message": message}
    body = json.dumps(content).encode()
    headers = [("Content-Type", content_type), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
    start_response(f"{status.value} {status.phrase}", headers)
    return [body]
