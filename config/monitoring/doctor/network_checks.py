"""Checks of the network: the mail server, the public address with its proxy, and the certificate."""

import http.client
import smtplib
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import get_connection
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.access.passwords.mail import is_mail_configured
from config.monitoring.doctor.base import (
    Diagnosis,
    DoctorCheck,
    report_error,
    report_ok,
    report_skipped,
    report_warning,
)
from config.monitoring.server_state import find_certificate_end

TIMEOUT_SECONDS = 5
CERTIFICATE_DAYS = timedelta(days=14)
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")


def check_mail() -> Iterator[Diagnosis]:
    if not is_mail_configured():
        yield report_warning(
            _(
                "no mail server: messages go to the outbox, newsletter confirmations and emails about privacy requests "
                "are only written to the log, and nobody gets alarms or password resets"
            ),
            _("Set EMAIL_HOST, EMAIL_USER and EMAIL_PASSWORD, or a provider with EMAIL_BACKEND."),
        )
        return
    if "smtp" not in settings.EMAIL_BACKEND:
        yield report_ok(settings.EMAIL_BACKEND)
        return
    address = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    try:
        with get_connection():
            yield report_ok(_("%(address)s accepts the login") % {"address": address})
    except smtplib.SMTPAuthenticationError as error:
        yield report_error(f"{address}: {error.smtp_code}", _("Correct EMAIL_USER and EMAIL_PASSWORD."))
    except (OSError, smtplib.SMTPException) as error:
        yield report_error(
            f"{address}: {error}", _("Correct EMAIL_HOST, EMAIL_PORT and EMAIL_TLS, or open the firewall.")
        )


def check_public_url() -> Iterator[Diagnosis]:
    """Ask the public address for its state, as a customer's browser would reach it."""
    parts = urlsplit(settings.PUBLIC_URL)
    host = parts.hostname or ""
    if host in LOCAL_HOSTS:
        yield report_warning(
            _("PUBLIC_URL is %(url)s: links in messages point to the recipient's own machine")
            % {"url": settings.PUBLIC_URL},
            _("Set PUBLIC_URL to the address at which customers reach this server."),
        )
        return
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    link = kind(host, parts.port, timeout=TIMEOUT_SECONDS)
    try:
        link.request("GET", f"{parts.path}/health/live")
        status = link.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        yield report_error(
            f"{settings.PUBLIC_URL}: {error}", _("Start the web server and the proxy, and check DNS and the firewall.")
        )
        return
    finally:
        link.close()
    if status != http.HTTPStatus.OK:
        yield report_error(
            f"{settings.PUBLIC_URL}: HTTP {status}",
            _("Let the proxy pass all paths to the web server; add the host to ALLOWED_HOSTS."),
        )
    else:
        yield report_ok(_("%(url)s answers") % {"url": settings.PUBLIC_URL})


def check_proxy() -> Iterator[Diagnosis]:
    """Check that the HTTPS settings are consistent with each other."""
    is_https = settings.PUBLIC_URL.startswith("https://")
    if not is_https and not settings.SECURE_SSL_REDIRECT:
        yield report_skipped(_("plain HTTP: for tests on this machine only"))
        return
    if not settings.SECURE_SSL_REDIRECT:
        yield report_error(_("HTTPS_ONLY is off although PUBLIC_URL is https"), _("Set HTTPS_ONLY=true."))
    if settings.SECURE_PROXY_SSL_HEADER is None:
        yield report_error(
            _("BEHIND_TLS_PROXY is off: the web server treats every request as plain HTTP"),
            _(
                "Set BEHIND_TLS_PROXY=true, and have the proxy set X-Forwarded-Proto and remove this header from client requests."
            ),
        )
    if not settings.TRUSTED_PROXY_COUNT:
        yield report_warning(
            _("TRUSTED_PROXY_COUNT is 0: all visitors behind the proxy share one limit"),
            _("Set it to the number of your proxies."),
        )
    if not settings.METRICS_TOKEN:
        yield report_warning(
            _("METRICS_TOKEN is not set: Prometheus cannot read /metrics through the proxy"),
            _("Set it to a random text, and give Prometheus the same."),
        )
    host = urlsplit(settings.PUBLIC_URL).hostname
    if host not in settings.ALLOWED_HOSTS and "*" not in settings.ALLOWED_HOSTS:
        yield report_error(
            _("ALLOWED_HOSTS lacks %(host)s") % {"host": host},
            f"ALLOWED_HOSTS={','.join([*settings.ALLOWED_HOSTS, str(host)])}",
        )
    yield report_ok(_("the settings match a TLS proxy"))


def check_certificate() -> Iterator[Diagnosis]:
    try:
        ends_at = find_certificate_end(settings.PUBLIC_URL)
    except OSError as error:
        yield report_error(
            _("no valid HTTPS at %(url)s: %(error)s") % {"url": settings.PUBLIC_URL, "error": error},
            _("Start the proxy that answers HTTPS, renew its certificate if it is not valid, or correct PUBLIC_URL."),
        )
        return
    if ends_at is None:
        yield report_skipped(_("PUBLIC_URL is not https"))
        return
    days = (ends_at - timezone.now()).days
    text = _("valid for %(days)d days") % {"days": days}
    if ends_at - timezone.now() < CERTIFICATE_DAYS:
        yield report_error(text, _("Renew it, and check why it was not renewed automatically."))
    else:
        yield report_ok(text)


NETWORK_CHECKS = (
    DoctorCheck("mail", gettext_lazy("Mail server"), check_mail, is_slow=True),
    DoctorCheck("public_url", gettext_lazy("Public address"), check_public_url, is_slow=True),
    DoctorCheck("proxy", gettext_lazy("Proxy"), check_proxy),
    DoctorCheck("certificate", gettext_lazy("Certificate"), check_certificate, is_slow=True),
)
