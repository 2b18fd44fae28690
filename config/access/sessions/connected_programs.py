"""The access of programs that a user has connected, such as assistants (OAuth)."""

from typing import Any

from django.db import transaction
from oauth2_provider.models import AccessToken, RefreshToken
from oauth2_provider.models import Grant as AuthorizationCode


def disconnect_programs(user: Any) -> None:
    """Revoke the tokens and codes of a user. Refresh tokens come first, so that a program cannot renew what is deleted next."""
    with transaction.atomic():
        for model in (RefreshToken, AuthorizationCode, AccessToken):
            model.objects.filter(user=user).delete()
