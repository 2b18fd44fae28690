"""Roles are created once; afterwards the operator's changes are kept."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType

from config.access.models import ApiKey
from config.access.roles import ROLES, ensure_roles

pytestmark = pytest.mark.django_db


def list_permissions(role: str) -> set[str]:
    rows = Group.objects.get(name=role).permissions.values_list("content_type__app_label", "codename")
    return {f"{app}.{codename}" for app, codename in rows}


def test_the_migration_creates_every_role() -> None:
    assert set(Group.objects.values_list("name", flat=True)) == set(ROLES)
    assert Group.objects.get(name="Administrator").permissions.count() == Permission.objects.count()


def test_only_two_roles_can_view_personal_data() -> None:
    assert {role for role in ROLES if "identity.view_personal" in list_permissions(role)} == {
        "Privacy officer",
        "Administrator",
    }


def test_changes_by_an_operator_are_kept() -> None:
    marketer = Group.objects.get(name="Marketer")
    marketer.permissions.clear()
    marketer.permissions.add(Permission.objects.get(codename="view_apikey"))
    Group.objects.get(name="Analyst").delete()
    Group.objects.filter(name="Operator").update(name="Night shift")
    ensure_roles()
    assert list_permissions("Marketer") == {"access.view_apikey"}
    assert not Group.objects.filter(name__in=["Analyst", "Operator"]).exists()


def test_a_new_permission_is_added_to_its_roles() -> None:
    app = ContentType.objects.get_for_model(ApiKey)
    Permission.objects.create(content_type=app, codename="revoke_apikey", name="Can revoke")
    ensure_roles()
    assert {role for role in ROLES if "access.revoke_apikey" in list_permissions(role)} == {"Operator", "Administrator"}
