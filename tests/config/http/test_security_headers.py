"""The security headers of pages: a strict content security policy without exceptions for scripts, on every page."""

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["/admin/", "/admin/login/", "/api/v1/docs/", "/shop/", "/nowhere/"])
def test_scripts_come_only_from_this_server(admin_client: Client, client: Client, path: str) -> None:
    response = (client if "login" in path else admin_client).get(path)
    policy = dict(directive.strip().split(" ", 1) for directive in response["Content-Security-Policy"].split(";"))
    assert policy["script-src"] == policy["default-src"] == "'self'"
    assert policy["object-src"] == policy["frame-ancestors"] == "'none'"
    assert (policy["base-uri"], policy["form-action"]) == ("'self'", "'self'")
    assert "unsafe-eval" not in response["Content-Security-Policy"]
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("path", ["/admin/", "/admin/login/", "/api/v1/docs/"])
def test_pages_have_no_inline_script(admin_client: Client, client: Client, path: str) -> None:
    page = (client if "login" in path else admin_client).get(path).content.decode()
    for tag in page.split("<script")[1:]:
        attributes = tag.partition(">")[0]
        assert "src=" in attributes or "json" in attributes, attributes
