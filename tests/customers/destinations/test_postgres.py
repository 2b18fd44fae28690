"""Tables in another schema of the test's own server: upserts, new columns, wrong settings, erasure."""

import socketserver
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest
from django.db import connection

from customers.destinations.kinds import postgres, sql_tables
from customers.destinations.kinds.base import DestinationError, UnreachableError
from customers.destinations.kinds.mysql import MySqlTables, raise_database_error
from customers.destinations.models import Destination
from customers.destinations.outbox import collecting, removals, sending
from customers.erasure.runner import erase_customers
from customers.orders.models import OrderEvent
from tests.customers.destinations.makers import make_destination, make_sharing_customer
from tests.makers import NOON, make_order, make_product
from tests.waiting import DEADLINE_SECONDS

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def link(settings: Any) -> Iterator[psycopg.Connection[Any]]:
    settings.WEBHOOK_PRIVATE_HOSTS = ["127.0.0.1", "localhost"]
    parameters = connection.get_connection_params()
    keys = ("host", "port", "dbname", "user", "password")
    with psycopg.connect(**{key: parameters[key] for key in keys if parameters.get(key)}, autocommit=True) as link:
        link.execute("CREATE SCHEMA IF NOT EXISTS partner")
        try:
            yield link
        finally:
            link.execute("DROP SCHEMA partner CASCADE")


def make_database(link: psycopg.Connection[Any]) -> Destination:
    info = link.info
    options = {
        "host": info.host, "port": str(info.port), "database": info.dbname, "user": info.user, "schema": "partner",
    }  # fmt: skip
    streams = ("orders", "order_changes")
    return make_destination("postgres", options, {"password": info.password or "x"}, streams=streams)


def run(at: Any) -> int:
    collecting.collect_records(at=at)
    return sending.send_due(at=at, seconds=DEADLINE_SECONDS)


def test_orders_are_written_once_and_stay_current(
    link: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    destination = make_database(link)
    ada = make_sharing_customer("ada")
    order = make_order(ada, products=[make_product("tea")], order_id="o-1")
    make_order(make_sharing_customer("bo"), order_id="o-2")
    assert run(NOON) == 2
    read = "SELECT order_id, user_id, total, status, lines->0->>'product_id' FROM partner.orders ORDER BY id"
    assert link.execute(read).fetchall()[0] == ("o-1", "ada", 10, "placed", "tea")
    order.status = "refunded"
    order.save()
    OrderEvent.objects.create(
        source=order.source, message_id="r", order_id="o-1", kind="refunded", occurred_at=NOON, folded=True
    )
    columns = {**postgres.TABLES["orders"], "channel": "text"}
    monkeypatch.setattr(postgres, "TABLES", {**postgres.TABLES, "orders": columns})
    assert run(NOON + MINUTE) == 1
    assert [row[3] for row in link.execute(read).fetchall()] == ["refunded", "placed"]
    assert link.execute("SELECT channel FROM partner.orders").fetchall() == [(None,), (None,)]
    erase_customers([ada.pk], requested_by="test", at=NOON)
    assert removals.send_removals(at=NOON + MINUTE) == 1
    assert [row[0] for row in link.execute(read).fetchall()] == ["o-2"]
    link.execute("DROP SCHEMA partner CASCADE")
    make_order(make_sharing_customer("cy"))
    assert run(NOON + 2 * MINUTE) == 0
    destination.refresh_from_db()
    assert "partner" in destination.problem
    link.execute("CREATE SCHEMA partner")
    assert run(NOON + timedelta(hours=2)) == 1


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the key and the certificate of localhost, which it signed itself."""
    folder = tmp_path_factory.mktemp("certificate")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    subprocess.run([*command, *name, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return key, certificate


@pytest.fixture
def tls_port(certificate: tuple[Path, Path]) -> Iterator[int]:
    """Run a server that agrees to TLS as PostgreSQL does, and then hangs up; yield its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certfile=certificate[1], keyfile=certificate[0])

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(8)
            self.request.sendall(b"S")
            with suppress(OSError), context.wrap_socket(self.request, server_side=True) as stream:
                stream.recv(1)

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_the_certificate_is_verified_unless_the_settings_say_otherwise(
    tls_port: int, certificate: tuple[Path, Path], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WEBHOOK_PRIVATE_HOSTS = []
    monkeypatch.setattr(sql_tables, "find_address", lambda *_: "127.0.0.1")
    options = {"host": "localhost", "port": str(tls_port), "database": "d", "schema": "s", "user": "u"}
    own = {"ca_certificate": certificate[1].read_text()}

    def connect(**changes: Any) -> None:
        postgres.PostgresTables({**options, **changes}, {"password": "x"}).send_test()

    for changes in ({}, {**own, "host": "db.example"}):  # as destinations of earlier versions are stored; another host
        with pytest.raises(DestinationError, match="Enter the CA certificate of the database"):
            connect(**changes)
    for changes in (own, {"skips_verification": True}):
        with pytest.raises(UnreachableError):  # the certificate was accepted
            connect(**changes)
    assert postgres.PostgresTables.describe_risk({"skips_verification": True})
    assert not postgres.PostgresTables.describe_risk(own)
    for wrong in ({"ca_certificate": "x"}, {**own, "skips_verification": True}):
        with pytest.raises(DestinationError, match="CA certificate"):
            postgres.PostgresTables.clean({**options, **wrong})


def test_mysql_verifies_certificates_in_the_same_way(certificate: tuple[Path, Path], settings: Any) -> None:
    settings.WEBHOOK_PRIVATE_HOSTS = ["db.internal"]
    own = {"ca_certificate": certificate[1].read_text()}
    modes = []
    for changes in ({}, {"skips_verification": True}, own, {"host": "db.internal"}, {"host": "db.internal", **own}):
        context = MySqlTables({"host": "db.example", **changes}, {})._choose_encryption()
        modes.append((context.verify_mode.name, context.check_hostname) if context else None)
    verified = ("CERT_REQUIRED", True)
    assert modes == [verified, ("CERT_NONE", False), verified, None, verified]
    error = pymysql.err.OperationalError(2003, "Can't connect (certificate verify failed: self-signed certificate)")
    with pytest.raises(DestinationError, match="Enter the CA certificate of the database"):
        raise_database_error(error)


def test_a_database_that_does_not_answer_is_tried_again(link: psycopg.Connection[Any]) -> None:
    destination = make_database(link)
    make_order(make_sharing_customer("ada"))
    Destination.objects.update(options={**destination.options, "port": "1"})
    assert run(NOON) == 0
    destination.refresh_from_db()
    assert (destination.problem, destination.retry_at) == ("", NOON + timedelta(seconds=5))
