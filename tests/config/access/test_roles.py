"""Roles are made once and belong to the operator from then on."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType

from config.access.models import ApiKey
from config.access.roles import ROLES, ensure_roles

pytestmark = pytest.mark.django_db


def labels(role: str) -> set[str]:
    rows = Group.objects.get(name=role).permissions.values_list("content_type__app_label", "codename")
    return {f"{app}.{codename}" for app, codename in rows}


def test_migration_made_every_role() -> None:
    assert set(Group.objects.values_list("name", flat=True)) == set(ROLES)
    assert Group.objects.get(name="Administrator").permissions.count() == Permission.objects.count()


def test_personal_data_is_open_to_two_roles_only() -> None:
    assert {role for role in ROLES if "identity.view_personal" in labels(role)} == {"Privacy officer", "Administrator"}


def test_what_an_operator_changed_stays() -> None:
    marketer = Group.objects.get(name="Marketer")
    marketer.permissions.clear()
    marketer.permissions.add(Permission.objects.get(codename="view_apikey"))
    Group.objects.get(name="Analyst").delete()
    Group.objects.filter(name="Operator").update(name="Night shift")
    ensure_roles()
    assert labels("Marketer") == {"access.view_apikey"}
    assert not Group.objects.filter(name__in=["Analyst", "Operator"]).exists()


def test_permission_that_is_new_reaches_the_roles_it_belongs_to() -> None:
    app = ContentType.objects.get_for_model(ApiKey)
    Permission.objects.create(content_type=app, codename="revoke_apikey", name="Can revoke")
    ensure_roles()
    assert {role for role in ROLES if "access.revoke_apikey" in labels(role)} == {"Operator", "Administrator"}
