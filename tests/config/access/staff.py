"""Back-office users with a second factor, and how they log in."""

import re
import time
from typing import Any

from django.contrib.auth.models import Permission, User
from django.http import HttpResponse
from django.test import Client

from config.access.models import TwoFactorDevice
from config.access.two_factor.devices import enable_two_factor
from config.access.two_factor.totp import compute_code, compute_step, generate_secret

PASSWORD = "a-long-password-for-tests"
CODE_PAGE = "/admin/login/code/"


def make_staff(username: str = "operator", *permissions: str, **fields: Any) -> User:
    """Create a back-office user with permissions such as ``identity.view_personal``."""
    user = User.objects.create_user(username, f"{username}@shop.example", PASSWORD, **{"is_staff": True, **fields})
    for permission in permissions:
        app, _, codename = permission.partition(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return user


def add_second_factor(user: User) -> list[str]:
    """Set a second factor up some time ago, so that the present code is still unused; return the recovery codes."""
    secret = generate_secret()
    set_up_at = time.time() - 3600
    return enable_two_factor(
        user, secret=secret, code=compute_code(secret, step=compute_step(set_up_at)), now=set_up_at
    )


def compute_present_code(user: User, *, steps: int = 0) -> str:
    """Return the code that the user's app shows now, or some steps later; one step is tolerated."""
    secret = TwoFactorDevice.objects.get(user=user).secret
    return compute_code(secret, step=compute_step(time.time()) + steps)


def compute_wrong_code(user: User) -> str:
    secret = TwoFactorDevice.objects.get(user=user).secret
    present = compute_step(time.time())
    valid = {compute_code(secret, step=step) for step in range(present - 3, present + 4)}
    return next(code for code in (f"{number:06}" for number in range(100)) if code not in valid)


def enter_password(client: Client, user: User, path: str = "/admin/", **headers: str) -> HttpResponse:
    return client.post(
        "/admin/login/", {"username": user.username, "password": PASSWORD, "next": path}, headers=headers or None
    )


def enter_code(client: Client, code: str, **parameters: Any) -> HttpResponse:
    return client.post(CODE_PAGE, {"code": code}, **parameters)


def log_in(user: User, **headers: str) -> Client:
    """Return a client that has logged in through the pages."""
    client = Client(headers=headers or None)
    response = enter_password(client, user)
    assert response.status_code == 302, response.status_code
    if response["Location"].startswith(CODE_PAGE):
        assert enter_code(client, compute_present_code(user)).status_code == 302
    return client


def read_recovery_codes(page: Any) -> list[str]:
    return re.findall(r"<li>([a-z0-9]{4}-[a-z0-9]{4}-[a-z0-9]{4})</li>", page.text)
