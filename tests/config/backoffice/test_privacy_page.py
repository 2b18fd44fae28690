"""The page of privacy: retention by source, and how often personal data was used."""

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from config.foundation.audit_log import record_access
from customers.identity.models import Customer
from tests.makers import make_customer, make_source

pytestmark = pytest.mark.django_db
PAGE = reverse("settings:privacy")


def test_it_shows_how_long_data_is_kept_and_how_often_personal_data_was_read(admin_client: Client) -> None:
    make_source("web", name="Web shop", retention_days=1000)
    record_access(model=Customer, pks=[make_customer("ada").pk], details={"personal": True})
    page = admin_client.get(PAGE).text
    assert "Events from Web shop" in page
    assert "1,000 days" in page
    assert f'href="{reverse("retention:periods")}"' in page
    assert "Personal data read" in page


def test_a_privacy_officer_sees_it_without_links_that_they_may_not_open(client: Client) -> None:
    officer = User.objects.create_user("officer", password="x", is_staff=True)
    officer.groups.add(Group.objects.get(name="Privacy officer"))
    client.force_login(officer)
    page = client.get(PAGE).text
    assert reverse("admin:identity_consent_changelist") in page
    assert reverse("suppressions:list") not in page
