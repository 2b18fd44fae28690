"""Settings that limit what a request may cost, and values that are refused at the start."""

import gc
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

import config
from config.apps import ConfigConfig
from config.settings import read_database

PROGRAM = """
import django
django.setup()
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("SHOW statement_timeout")
    print(cursor.fetchone()[0])
"""


def run_program(**environment: str) -> str:
    variables = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", **environment}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=Path(config.__file__).parents[1],
        env=variables,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def test_statements_of_the_web_server_end_after_the_timeout_and_others_do_not() -> None:
    assert run_program(DATABASE_STATEMENT_TIMEOUT="15") == "15s"
    assert run_program(DATABASE_STATEMENT_TIMEOUT="") == "0"


def test_a_database_may_have_several_servers_of_which_the_writable_one_is_used() -> None:
    database = read_database("postgresql://shop:p%40ss@db1:5433,db2,[::1]:5434/perennial")
    assert (database["HOST"], database["PORT"]) == ("db1,db2,::1", "5433,5432,5434")
    assert database["OPTIONS"]["target_session_attrs"] == "read-write"  # type: ignore[index]
    assert database["CONN_HEALTH_CHECKS"] is True
    single = read_database("postgresql://shop@db1/perennial")
    assert (single["HOST"], single["PORT"], single["CONN_HEALTH_CHECKS"]) == ("db1", 5432, False)
    for url in ("postgresql://shop@db1:port/x", "postgresql://shop@db1,:1/x", "mysql://db1/x", "postgresql://db1"):
        with pytest.raises(ImproperlyConfigured, match=r"DATABASE_URL is invalid.*unset it to use the embedded server"):
            read_database(url)


def test_an_invalid_address_of_the_pooler_can_be_unset_to_do_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_POOLER_URL", "postgresql://shop@pooler")
    with pytest.raises(
        ImproperlyConfigured, match=r"DATABASE_POOLER_URL.*unset it to connect to DATABASE_URL directly\."
    ):
        read_settings()


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("TIME_ZONE", "Beijing", "unknown time zone. Set it to a name such as Europe/Berlin"),
        ("TIME_ZONE", "Europe", "unknown time zone"),
        ("SHOP_CURRENCY", "QQQ", "unknown currency. Set it to a three-letter ISO 4217 code such as EUR"),
        ("ALLOWED_HOSTS", "shop.example,https://x.example", "'https://x.example' is not a host name"),
        ("ALLOWED_HOSTS", "x.example:8000", "'x.example:8000' is not a host name"),
        ("PUBLIC_URL", "perennial.example", "not an http or https address. Set it to an address such as https://"),
        ("PUBLIC_URL", "https://perennial.example:99999", "Port out of range"),
        ("PUBLIC_URL", "https://perennial.example/?shop=1", "paths cannot be appended"),
        ("PRODUCT_URL", "https://x/{product_id", "{product_id} is missing"),
        ("PRODUCT_URL", "https://x/{product_id}/{shop}", "braces are allowed in {product_id} only"),
        ("FILE_STORE", "s3:/bucket", "the two slashes after the protocol are missing. Set it to an fsspec address"),
        ("WAREHOUSE_URL", "s3:bucket", "only a folder of this machine is supported"),
        (
            "WAREHOUSE_URL",
            "s3://bucket/wh",
            "only a folder of this machine is supported. Set it to a folder, such as /",
        ),
        ("WAREHOUSE_URL", "file://other/wh", "only a folder of this machine is supported"),
        (
            "ASSISTANT_URL",
            "foo",
            "not an http or https address. Set it to an address such as http://127.0.0.1:11434/v1",
        ),
        ("DEFAULT_FROM_EMAIL", "foo", "not an e-mail address. Set it to an address such as shop@example.com"),
        ("FILE_STORE", "foo://x", "unknown protocol 'foo'"),
        ("FILE_STORE", "foo::s3://bucket", "unknown protocol 'foo'"),
        ("CLICKHOUSE_URL", "ftp://x", "not an http or https address"),
        ("CLICKHOUSE_URL", "127.0.0.1:8123", "not an http or https address. Set it to an address such as http://user"),
        ("SPARK_MASTER", "foo", "not a master of Spark. Set it to local[2], yarn, or an address such as spark://"),
        ("SPARK_MASTER", "local[0]", "not a master of Spark"),
        ("WAREHOUSE_MEMORY", "0MB", "not an amount of memory"),
        ("HSTS_SECONDS", "-1", "-1 is outside 0 to 63072000"),
        ("SHOP_FOUNDED", "abc", "is invalid: not a date. Set it to a past year such as 2009"),
        ("SHOP_FOUNDED", "2999-01-01", "is invalid: in the future. Set it to a past year such as 2009"),
        ("SHOP_FOUNDED", "20xx", "is invalid: not a date."),
        ("SLOW_QUERY_SECONDS", "x", "is invalid: not a number. Set it to a number from"),
        ("TRAINING_SECONDS", "1.5", "is invalid: not a whole number. Set it to a whole number from"),
        (
            "WEBHOOK_PRIVATE_HOSTS",
            "erp.internal,http://x",
            "'http://x' is not a host name without scheme, port and path",
        ),
        ("FEED_PRIVATE_HOSTS", ".internal", "'.internal' is not a whole host name; patterns are not supported"),
        ("CARD_FONT", "/nonexistent.ttf", "not an existing file. Set it to the path of a font file"),
        ("CHRONOS_PATH", "/nonexistent", "not an existing folder. Set it to the folder of a Chronos-2 model"),
    ],
)
def test_an_invalid_value_is_refused_with_the_variable_and_what_is_valid(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, problem: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match=re.escape(f"{name}={value!r} is invalid: ")) as error:
        read_settings()
    assert problem in str(error.value)


def test_a_password_in_an_invalid_address_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKHOUSE_URL", "ftp://shop:secret@clickhouse/shop")
    with pytest.raises(ImproperlyConfigured, match=r"CLICKHOUSE_URL='ftp://shop:\*\*\*@clickhouse/shop' is invalid"):
        read_settings()


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("CLICKHOUSE_URL", ["https://shop:secret@clickhouse:8443/shop", "chdb://memory", "chdb:///srv/clickhouse"]),
        (
            "SPARK_MASTER",
            ["local", "local[*]", "local[4,2]", "yarn", "spark://a:7077,b:7077", "sc://a", "k8s://https://a"],
        ),
        ("FILE_STORE", ["/srv/store", "file:///srv/store", "gs://bucket/perennial"]),
        ("WAREHOUSE_URL", ["warehouse", "file:///srv/warehouse", "file://localhost/srv/warehouse"]),
        ("ASSISTANT_URL", ["http://127.0.0.1:11434/v1"]),
        ("DEFAULT_FROM_EMAIL", ["perennial@localhost", "Tea Shop <tea@shop.example>"]),
    ],
)
def test_every_form_of_an_address_is_accepted(monkeypatch: pytest.MonkeyPatch, name: str, values: list[str]) -> None:
    for value in values:
        monkeypatch.setenv(name, value)
        assert read_settings()[name] == value


def test_valid_values_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    valid = {
        "TIME_ZONE": "Asia/Shanghai",
        "SHOP_CURRENCY": "cny",
        "ALLOWED_HOSTS": "shop.example, .shop.example,[::1],*",
        "PUBLIC_URL": "https://perennial.example/mail/",
        "PRODUCT_URL": "https://shop.example/?id={product_id}",
        "FILE_STORE": "simplecache::s3://bucket/perennial",
        "WAREHOUSE_URL": "/srv/warehouse",
        "CHRONOS_PATH": str(tmp_path),
        "WEBHOOK_PRIVATE_HOSTS": "ERP.internal, 10.0.0.5,[::1]",
    }
    for name, value in valid.items():
        monkeypatch.setenv(name, value)
    settings = read_settings()
    assert {name: settings[name] for name in valid} == valid | {
        "SHOP_CURRENCY": "CNY",
        "ALLOWED_HOSTS": ["shop.example", ".shop.example", "[::1]", "*"],
        "PUBLIC_URL": "https://perennial.example/mail",
        "CHRONOS_PATH": tmp_path.resolve(),
        "WEBHOOK_PRIVATE_HOSTS": ["erp.internal", "10.0.0.5", "::1"],
    }


def test_the_folder_of_the_counters_is_created(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "run" / "metrics"))
    read_settings()
    assert (tmp_path / "run" / "metrics").is_dir()
    (tmp_path / "file").touch()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "file" / "metrics"))
    with pytest.raises(ImproperlyConfigured, match=r"PROMETHEUS_MULTIPROC_DIR=.* cannot be created: Not a directory"):
        read_settings()


@pytest.mark.parametrize("backend", ["nope.Backend", "anymail.backends.postmark.Backend", "smtp"])
def test_an_email_backend_that_cannot_be_imported_is_refused(monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
    monkeypatch.setenv("EMAIL_BACKEND", backend)
    with pytest.raises(ImproperlyConfigured, match=f"EMAIL_BACKEND='{backend}' is invalid: .* Set it to a class such"):
        ConfigConfig("config", config).ready()


def read_settings() -> dict[str, Any]:
    """Return the settings of a process that starts with the present environment."""
    try:
        return runpy.run_path(str(Path(config.__file__).parent / "settings.py"))
    finally:
        gc.enable()
