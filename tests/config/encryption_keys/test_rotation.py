"""A rotated installation reads and finds everything, the older keys removed as far as plain values are known."""

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.utils import timezone

import config.encryption_keys.rotation as rotation_module
from config.access.models import RecoveryCode
from config.access.two_factor.recovery_codes import replace_recovery_codes, use_recovery_code
from config.encryption_keys.key_backup import KeyBackupError, read_backup
from config.encryption_keys.key_files import find_older_uses
from config.encryption_keys.models import HashTranslation, KeyRotation, KeyUse, RotationPart
from config.encryption_keys.reencryption import PartResult
from config.encryption_keys.rotation import RotationError, run_rotation, start_rotation, work
from config.foundation.keys.key_columns import get_model, list_encrypted_columns, list_hashed_columns
from config.foundation.keys.key_ids import (
    check_field_keys,
    check_hash_keys,
    compute_key_id,
    make_field_key,
    make_hash_key,
)
from config.foundation.keys.key_stores import build_key_store
from config.foundation.keys.live_keys import LiveKeys, write_entries
from customers.events.models import Event, RejectedEvent, Source
from customers.identity.customer_search import build_customer_search
from customers.identity.models import ConsentDenial, ContactClaim, Customer, Identifier, IdentityConflict
from customers.identity.personal_data.hashing import hash_email, hash_phone, hash_wechat_id
from customers.identity.personal_data.personal_traits import seal_personal, unseal_personal
from recommendations.sending.models import ChannelAccount, PushSubscription, Suppression
from recommendations.sending.push_subscriptions import hash_endpoint
from recommendations.sending.suppressions.suppression_list import is_email_suppressed, suppress_email
from recommendations.serving.models import ErasedIdentifier
from recommendations.serving.state.suppression import read_suppression_list, suppress_names
from tests.makers import make_customer, make_order, make_source

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
CUSTOMERS = 25


@pytest.fixture
def keys(settings: Any, tmp_path: Path) -> SimpleNamespace:
    """Keys in files, as Perennial keeps them: one for each purpose, the hash key from before rotations."""
    folder = tmp_path / "secrets"
    write_entries(folder / "field-keys", [make_field_key()])
    write_entries(folder / "hash-key", ["the first key of the shop"])
    store = build_key_store({})
    settings.VAR_DIR, settings.KEY_STORE, settings.SEAL_KEYS = tmp_path, store, []
    settings.FIELD_KEYS = LiveKeys(
        name="FIELD_KEYS", entries=[], path=folder / "field-keys", store=store, check=check_field_keys
    )
    settings.HASH_KEYS = LiveKeys(
        name="HASH_KEYS", entries=[], path=folder / "hash-key", store=store, check=check_hash_keys
    )
    return SimpleNamespace(folder=folder, fields=settings.FIELD_KEYS, hashes=settings.HASH_KEYS)


@pytest.fixture
def shop(keys: SimpleNamespace, admin_user: Any) -> SimpleNamespace:
    """A value in every encrypted and hashed column."""
    source = make_source()
    for number in range(CUSTOMERS):
        customer = make_customer(
            f"u{number}", name=f"Ann {number}", email=f"ann{number}@shop.example", phone=f"+4912345678{number:02}",
            traits={"city": "Ulm", "size": number, "wechat_openid": [f"openid-{number}"]},
        )  # fmt: skip
        Identifier.objects.create(kind="email_hash", value=hash_email(customer.email), customer=customer)
        Identifier.objects.create(kind="phone_hash", value=hash_phone(customer.phone), customer=customer)
        openid = hash_wechat_id(f"openid-{number}")
        Identifier.objects.create(kind="openid_hash", value=openid, customer=customer)
    email_hash = hash_email("ann0@shop.example")
    ConsentDenial.objects.create(kind="email_hash", value=email_hash, purpose="email")
    ContactClaim.objects.create(
        identifier=Identifier.objects.get(value="u1"), kind="email_hash", value=email_hash, claimed_at=NOON
    )
    IdentityConflict.objects.create(
        fingerprint="f", reason="limit", at=NOON, last_at=NOON, cause="m", identifiers=[["email_hash", email_hash]]
    )
    order = make_order(customer, guest_email_hash=email_hash)
    suppress_email("ann1@shop.example", reason="manual", source="", at=NOON)
    suppress_email("stranger@else.example", reason="import", source="list", at=NOON)
    PushSubscription.objects.create(
        customer_id=customer.pk, endpoint="https://push.example/1", endpoint_hash=hash_endpoint("https://push.example/1"),
        public_key="k", auth_secret="s", created_at=NOON,
    )  # fmt: skip
    ChannelAccount.objects.create(channel="sms", provider="log", secrets=json.dumps({"password": "secret"}))
    RejectedEvent.objects.create(
        source=source, payload='{"email": "x@y.example"}', code="c", reason="r", received_at=NOON
    )
    Event.objects.create(
        source=source, message_id="m1", type="track", occurred_at=NOON, received_at=NOON,
        properties={"$personal": seal_personal({"email": "ann0@shop.example"}), "size": 3},
    )  # fmt: skip
    Source.objects.filter(pk=source.pk).update(sealed_token_key=seal_personal({"k": 1}))
    suppress_names(["user_id:erased"], at=NOON)
    return SimpleNamespace(source=source, order=order, user=admin_user, codes=replace_recovery_codes(admin_user))


def rotate() -> None:
    call_command("rotate_keys", "--processes", "1")


def check_readable(shop: SimpleNamespace) -> None:
    for customer in Customer.objects.order_by("pk")[:CUSTOMERS]:
        number = customer.traits["size"]
        assert (customer.name, customer.email, customer.traits["city"]) == (
            f"Ann {number}",
            f"ann{number}@shop.example",
            "Ulm",
        )
    assert json.loads(ChannelAccount.objects.get().secrets) == {"password": "secret"}
    assert RejectedEvent.objects.get().payload == '{"email": "x@y.example"}'
    assert unseal_personal(Event.objects.get().properties["$personal"]) == {"email": "ann0@shop.example"}
    assert PushSubscription.objects.get(endpoint_hash=hash_endpoint("https://push.example/1")).auth_secret == "s"
    email_hash = hash_email("ann0@shop.example")
    assert ConsentDenial.objects.filter(value=email_hash).exists()
    assert Identifier.objects.get(kind="email_hash", value=email_hash).customer.email == "ann0@shop.example"
    assert (
        Identifier.objects.get(kind="openid_hash", value=hash_wechat_id("openid-0")).customer.email
        == "ann0@shop.example"
    )
    assert is_email_suppressed("ann1@shop.example")
    assert is_email_suppressed("stranger@else.example")
    assert read_suppression_list().contains_any(["user_id:erased"])


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.encryption_keys.management.commands.rotate_keys.time.sleep", lambda seconds: None)


@pytest.mark.usefixtures("no_waiting")
def test_everything_is_read_and_found_after_a_rotation(
    shop: SimpleNamespace, keys: SimpleNamespace, capsys: Any
) -> None:
    old_field, old_hash = keys.fields[0], keys.hashes[0]
    known_hash = hash_email("ann0@shop.example")
    rotate()
    assert (len(keys.fields), len(keys.hashes)) == (2, 2)
    uses = list(KeyUse.objects.all())
    assert {use.model for use in find_older_uses(uses)} == {
        "sending.Suppression", "access.RecoveryCode", "serving.ErasedIdentifier",
    }  # fmt: skip
    assert not HashTranslation.objects.exists()
    check_readable(shop)
    shop.order.refresh_from_db()
    assert shop.order.guest_email_hash == hash_email("ann0@shop.example") != known_hash
    assert IdentityConflict.objects.get().identifiers == [["email_hash", shop.order.guest_email_hash]]
    assert use_recovery_code(shop.user, shop.codes[0])
    # the encryption key is free; the hash key stays for what nobody knows the plain value of
    advice = capsys.readouterr().out.splitlines()[-1]
    assert "then run manage.py rotate_keys --finish. Links to privacy choices, surveys and" in advice
    call_command("rotate_keys", "--finish")
    assert (len(keys.fields), len(keys.hashes)) == (1, 2)
    assert old_field not in keys.fields
    check_readable(shop)
    with pytest.raises(CommandError, match="still in use"):
        call_command("rotate_keys", "--finish")
    RecoveryCode.objects.all().delete()
    ErasedIdentifier.objects.all().delete()
    call_command("check_keys")
    assert capsys.readouterr().out.endswith(
        "then run manage.py rotate_keys --finish.\n"
    )  # no link depends on a hash key
    call_command("rotate_keys", "--finish")  # the suppressed stranger has appeared above, which renamed the address
    assert list(keys.hashes) != [old_hash]
    assert len(keys.hashes) == 1
    assert is_email_suppressed("stranger@else.example")
    assert (keys.folder / "seal-keys").read_text().strip()
    assert keys.hashes[0] not in capsys.readouterr().out


@pytest.mark.usefixtures("no_waiting")
def test_the_next_rotation_makes_new_keys_although_an_older_hash_key_stays(
    shop: SimpleNamespace, keys: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotate()
    call_command("rotate_keys", "--finish")
    assert (len(keys.fields), len(keys.hashes)) == (1, 2)
    exposed = {keys.fields[0], keys.hashes[0]}

    def interrupt(*args: Any, **options: Any) -> None:
        raise RotationError("interrupted")

    with monkeypatch.context() as context:
        context.setattr("config.encryption_keys.management.commands.rotate_keys.run_rotation", interrupt)
        with pytest.raises(CommandError, match="interrupted"):
            rotate()
    rotate()  # continues with the same new keys
    assert (len(keys.fields), len(keys.hashes)) == (2, 3)
    assert exposed == {keys.fields[1], keys.hashes[1]}
    assert KeyRotation.objects.filter(finished_at__isnull=False).count() == 2
    call_command("rotate_keys", "--finish")
    assert (len(keys.fields), len(keys.hashes)) == (1, 2)
    assert not exposed & {*keys.fields, *keys.hashes}
    check_readable(shop)
    assert use_recovery_code(shop.user, shop.codes[0])


@pytest.mark.usefixtures("no_waiting")
def test_look_ups_work_before_and_while_rows_are_renamed(shop: SimpleNamespace, keys: SimpleNamespace) -> None:
    write_entries(keys.fields.path, [make_field_key(), *keys.fields])
    write_entries(keys.hashes.path, [make_hash_key(), *keys.hashes])
    keys.fields.refresh(), keys.hashes.refresh()
    check_readable(shop)
    assert Customer.objects.filter(build_customer_search("ann7@shop.example")).exists()
    rotation = start_rotation(now=NOON, rows_per_part=10)
    steps = work(rotation.pk, "encrypt", now=timezone.now)
    next(steps)
    steps.close()  # as if the process was killed: what is done is done
    assert rotation.parts.filter(done_at__isnull=False).count() == 1
    new = make_customer("new", email="new@shop.example")
    check_readable(shop)
    assert start_rotation(now=NOON) == rotation
    run_rotation(rotation, now=timezone.now)
    check_readable(shop)
    new.refresh_from_db()
    assert new.email == "new@shop.example"
    assert RotationPart.objects.filter(done_at=None).count() == 0
    assert KeyRotation.objects.get().finished_at


def test_an_address_under_both_keys_becomes_one_row(keys: SimpleNamespace) -> None:
    suppress_email("ann@shop.example", reason="manual", source="", at=NOON)
    customer = make_customer("u", email="ann@shop.example")
    Identifier.objects.create(kind="email_hash", value=hash_email(customer.email), customer=customer)
    write_entries(keys.hashes.path, [make_hash_key(), *keys.hashes])
    old = Suppression.objects.get().value_hash
    keys.hashes.refresh()
    hash_email(
        "ann@shop.example"
    )  # renames the stored hash; then a process that has not seen the new key writes the old one
    Suppression.objects.create(kind="email", value_hash=old, reason="manual", added_at=NOON)
    rotation = start_rotation(now=NOON)
    run_rotation(rotation, now=timezone.now)
    assert [row.value_hash for row in Suppression.objects.all()] == [hash_email("ann@shop.example")]
    assert Identifier.objects.filter(kind="email_hash").count() == 1


def test_rows_that_another_program_locks_are_left_for_the_next_round(
    monkeypatch: pytest.MonkeyPatch, shop: SimpleNamespace, keys: SimpleNamespace
) -> None:
    monkeypatch.setattr("config.encryption_keys.rotation.PAUSE_SECONDS", 0)
    write_entries(keys.fields.path, [make_field_key(), *keys.fields])
    keys.fields.refresh()
    results = [PartResult(1, 0, False)]
    reencrypt = rotation_module.reencrypt_part
    monkeypatch.setattr(rotation_module, "reencrypt_part", lambda *args: results.pop() if results else reencrypt(*args))
    rotation = start_rotation(now=NOON)
    run_rotation(rotation, now=timezone.now)
    assert not rotation.parts.filter(done_at=None).exists()


def test_no_table_holds_encrypted_text_that_rotation_does_not_know(shop: SimpleNamespace) -> None:
    known = {(get_model(column.model)._meta.db_table, column.column) for column in list_encrypted_columns()}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
            " AND data_type IN ('text', 'character varying', 'jsonb')"
        )
        columns = cursor.fetchall()
        parts = " UNION ALL ".join(
            f"SELECT '{table}', '{column}' WHERE EXISTS (SELECT FROM \"{table}\" WHERE \"{column}\"::text ~ 'gAAAAA[A-Za-z0-9_-]{{90}}')"
            for table, column in columns
        )
        cursor.execute(parts)
        found = {(table, column) for table, column in cursor.fetchall() if not table.startswith("events_event_")}
    assert found - known == set(), "register the column in a module key_columns, or use EncryptedTextField"
    assert ("identity_customer", "email") in found


def test_every_column_named_hash_is_known_to_rotation_or_needs_no_key() -> None:
    known = {(column.model, column.column) for column in list_hashed_columns()}
    # hashes of random keys and of contents, which need no key of the shop; and the columns of rotations themselves
    without_key = {
        ("events.Source", "write_key_hash"), ("events.Source", "previous_key_hash"), ("access.ApiKey", "key_hash"),
        ("access.ApiKey", "previous_hash"), ("serving.ErasedIdentifier", "digest"),
        ("analytics.AnalyticsResult", "parameters_hash"), ("access.IdempotentResponse", "request_hash"),
        ("privacy.UsedLink", "digest"), ("identity.BlockedIdentifier", "digest"),
        ("axes.AccessLog", "session_hash"), ("imports.ScheduledFeed", "content_hash"),
        ("encryption_keys.KeyRotation", "hash_key_id"), ("encryption_keys.HashTranslation", "old_hash"),
        ("encryption_keys.HashTranslation", "new_hash"),
    }  # fmt: skip
    named = {
        (model._meta.label, field.column)
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if ("hash" in field.column or "digest" in field.column)
        and field.get_internal_type() in ("CharField", "TextField")
    }
    assert named - known - without_key == set(), "register the column in a module key_columns"


def test_keys_are_backed_up_apart_from_the_data(
    keys: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr("config.encryption_keys.key_backup.COST", 2**10)
    monkeypatch.setenv("KEY_BACKUP_PASSPHRASE", "correct horse battery")
    field, path = keys.fields[0], tmp_path / "keys.json"
    call_command("backup_keys", str(path))
    assert field not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(CommandError, match="never overwritten"):
        call_command("backup_keys", str(path))
    with pytest.raises(KeyBackupError, match="passphrase is wrong"):
        read_backup(path, "wrong horse battery")
    (keys.folder / "field-keys").unlink()
    call_command("restore_keys", str(path))
    assert keys.folder.joinpath("field-keys").read_text().strip() == field
    other = make_field_key()
    write_entries(keys.fields.path, [other])
    keys.fields.refresh()
    make_customer(name="Ann")
    with pytest.raises(CommandError, match=compute_key_id(other)):
        call_command("restore_keys", str(path))
    monkeypatch.setenv("KEY_BACKUP_PASSPHRASE", "short")
    with pytest.raises(CommandError, match="too short"):
        call_command("backup_keys", str(tmp_path / "other.json"))
    with pytest.raises(CommandError, match=r"missing\.json does not exist\.$"):
        call_command("restore_keys", str(tmp_path / "missing.json"))


def test_the_keys_that_a_new_installation_made_are_replaced_while_nothing_is_under_them(
    shop: SimpleNamespace, keys: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.encryption_keys.key_backup.COST", 2**10)
    monkeypatch.setenv("KEY_BACKUP_PASSPHRASE", "correct horse battery")
    kept = (list(keys.fields), list(keys.hashes))
    call_command("backup_keys", str(tmp_path / "keys.json"))

    def start_new_installation(hash_key: str) -> None:
        for name, key in (("field-keys", make_field_key()), ("hash-key", hash_key), ("secret-key", "another secret")):
            write_entries(keys.folder / name, [key])
        keys.fields.refresh(), keys.hashes.refresh()

    start_new_installation("made up by the first command")  # the database is restored already
    call_command("restore_keys", str(tmp_path / "keys.json"))
    keys.fields.refresh(), keys.hashes.refresh()
    assert (list(keys.fields), list(keys.hashes)) == kept
    check_readable(shop)
    start_new_installation(make_hash_key())
    suppress_email("only-hashed@else.example", reason="manual", source="", at=NOON)
    with pytest.raises(CommandError, match="not in the backup"):
        call_command("restore_keys", str(tmp_path / "keys.json"))
    assert list(keys.hashes) != kept[1]


def test_a_wrong_hash_key_is_noticed_by_looking_addresses_up(
    shop: SimpleNamespace, keys: SimpleNamespace, capsys: Any
) -> None:
    write_entries(keys.hashes.path, ["mistyped on the second machine"])
    keys.hashes.refresh()
    with pytest.raises(SystemExit, match="1"):
        call_command("check_keys")
    shown = capsys.readouterr().out
    assert "hashes       -        unreadable" in shown
    assert "Restore the missing key" in shown


def test_with_wrong_keys_the_only_step_is_to_restore_the_right_ones(
    shop: SimpleNamespace, keys: SimpleNamespace, capsys: Any
) -> None:
    call_command("check_keys")
    assert "hashes       " + compute_key_id(keys.hashes[0]) + " current" in capsys.readouterr().out
    write_entries(keys.fields.path, [make_field_key()])
    write_entries(keys.hashes.path, ["made up by the first command"])
    keys.fields.refresh(), keys.hashes.refresh()
    with pytest.raises(SystemExit, match="1"):
        call_command("check_keys")
    shown = capsys.readouterr()
    assert f"hashes       {compute_key_id(keys.hashes[0])} unverified" in shown.out
    assert "encryption   -        unreadable" in shown.out
    assert shown.out.splitlines()[-1].startswith(
        "Some values cannot be read with the present keys. Restore the missing"
    )
    assert "nothing to do" not in shown.out
    assert shown.err == ""
