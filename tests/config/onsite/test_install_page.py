"""The page Install on your site: snippets to copy, with the integrity hash of the current version."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from config.onsite.bundle import get_bundle


@pytest.mark.django_db
def test_the_snippets_name_this_host_and_the_integrity_hash(client: Client, admin_user: User) -> None:
    client.force_login(admin_user)
    page = client.get(reverse("onsite:install"), headers={"host": "localhost"}).content.decode()
    core = get_bundle().core
    assert f"http://localhost/perennial/v1/{core.name}" in page
    assert core.integrity in page
    assert "script-src http://localhost" in page
    assert "data-consent=&quot;required&quot;" in page
    other = client.get(reverse("onsite:install"), {"consent": "implied"}).content.decode()
    assert "data-consent=&quot;implied&quot;" in other


@pytest.mark.django_db
def test_users_who_may_not_see_sources_may_not_see_the_page(client: Client) -> None:
    client.force_login(User.objects.create_user("reader", is_staff=True))
    assert client.get(reverse("onsite:install")).status_code == 403
