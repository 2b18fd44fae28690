"""Log-in to the back office."""

from django.http import HttpRequest

from config.foundation.client_address import get_client_address


def get_request_address(request: HttpRequest) -> str:
    """Return the address that failed log-ins are counted for; that of the client, not of the shop's own proxies."""
    return get_client_address(request.META)
