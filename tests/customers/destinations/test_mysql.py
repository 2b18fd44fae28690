"""Tables in a real MariaDB: upserts, new columns, values of every type, refused values, wrong settings, erasure."""

import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pymysql
import pytest

from customers.destinations.kinds import mysql
from customers.destinations.kinds.base import BatchRefusedError, DestinationError, UnreachableError
from customers.destinations.kinds.mysql import MySqlTables, raise_database_error
from customers.destinations.models import Destination
from customers.destinations.outbox import collecting, removals, sending
from customers.erasure.runner import erase_customers
from customers.orders.models import OrderEvent
from tests.customers.destinations.makers import make_destination, make_sharing_customer
from tests.makers import NOON, make_order, make_product
from tests.ports import reserve_port
from tests.waiting import DEADLINE_SECONDS, wait_until

SERVER = shutil.which("mariadbd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.django_db,
    pytest.mark.skipif(
        SERVER is None or shutil.which("my_print_defaults") is None,
        reason="MariaDB is not installed (Debian: mariadb-server-core, mariadb-client-core)",
    ),
]
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Start an empty server; yield its port."""
    folder, port = tmp_path_factory.mktemp("mariadb"), reserve_port()
    common = ["--no-defaults", f"--datadir={folder / 'data'}", "--user=root", "--innodb-buffer-pool-size=16M"]
    install = ["mariadb-install-db", *common, "--auth-root-authentication-method=normal", "--skip-test-db"]
    subprocess.run(install, check=True, capture_output=True)
    first = folder / "first.sql"
    first.write_text(
        "CREATE DATABASE partner;\nCREATE USER shop@'%' IDENTIFIED BY 'secret';\nGRANT ALL ON partner.* TO shop@'%';\n"
    )
    network = ["--bind-address=127.0.0.1", f"--port={port}", f"--socket={folder / 'socket'}", f"--init-file={first}"]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen([str(SERVER), *common, *network], stdout=log, stderr=log)
        try:
            wait_until(lambda: can_connect(port), what="MariaDB")
            yield port
        finally:
            server.terminate()
            server.wait(timeout=300)


def can_connect(port: int) -> bool:
    try:
        connect(port).close()
    except pymysql.Error:
        return False
    return True


def connect(port: int) -> Any:
    return pymysql.connect(
        host="127.0.0.1", port=port, user="shop", password="secret", database="partner", autocommit=True
    )


@pytest.fixture
def link(port: int, settings: Any) -> Iterator[Any]:
    settings.WEBHOOK_PRIVATE_HOSTS = ["127.0.0.1"]
    link = connect(port)
    yield link
    read(link, "DROP DATABASE IF EXISTS partner")
    read(link, "CREATE DATABASE partner")
    link.close()


def read(link: Any, statement: str) -> list[tuple[Any, ...]]:
    with link.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def make_database(port: int, streams: tuple[str, ...] = ("orders", "order_changes")) -> Destination:
    options = {"host": "127.0.0.1", "port": str(port), "database": "partner", "user": "shop"}
    return make_destination("mysql", options, {"password": "secret"}, streams=streams)


def run(at: Any) -> int:
    collecting.collect_records(at=at)
    return sending.send_due(at=at, seconds=DEADLINE_SECONDS)


def test_orders_are_written_once_and_stay_current(port: int, link: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    destination = make_database(port)
    ada = make_sharing_customer("ada")
    order = make_order(ada, products=[make_product("龙井茶🍵")], order_id="o-1")
    make_order(make_sharing_customer("bo"), order_id="o-2")
    assert run(NOON) == 2
    query = "SELECT order_id, user_id, total, status, JSON_VALUE(`lines`, '$[0].product_id'), placed_at FROM orders ORDER BY id"
    assert read(link, query)[0] == ("o-1", "ada", 10, "placed", "龙井茶🍵", order.placed_at.replace(tzinfo=None))
    order.status = "refunded"
    order.save()
    OrderEvent.objects.create(
        source=order.source, message_id="r", order_id="o-1", kind="refunded", occurred_at=NOON, folded=True
    )
    columns = {**mysql.TABLES["orders"], "channel": "text"}
    monkeypatch.setattr(mysql, "TABLES", {**mysql.TABLES, "orders": columns})
    assert run(NOON + MINUTE) == 1
    assert [row[3] for row in read(link, query)] == ["refunded", "placed"]
    assert read(link, "SELECT channel FROM orders") == [(None,), (None,)]
    erase_customers([ada.pk], requested_by="test", at=NOON)
    assert removals.send_removals(at=NOON + MINUTE) == 1
    assert [row[0] for row in read(link, query)] == ["o-2"]
    read(link, "DROP DATABASE partner")
    make_order(make_sharing_customer("cy"))
    assert run(NOON + 2 * MINUTE) == 0
    destination.refresh_from_db()
    assert "partner" in destination.problem
    read(link, "CREATE DATABASE partner")
    assert run(NOON + timedelta(hours=2)) == 1


def test_a_row_that_the_database_refuses_becomes_a_dead_letter_and_the_others_are_written(port: int, link: Any) -> None:
    destination = make_database(port)
    with destination_kind(destination) as tables:
        assert tables.send_test()
    read(link, "ALTER TABLE orders ADD CHECK (order_id <> 'o-2')")
    for number in (1, 2, 3):
        make_order(make_sharing_customer(f"c{number}"), order_id=f"o-{number}")
    for minute in range(5):
        run(NOON + minute * MINUTE)
    assert [row[0] for row in read(link, "SELECT order_id FROM orders ORDER BY id")] == ["o-1", "o-3"]
    destination.refresh_from_db()
    assert destination.problem == ""


def destination_kind(destination: Destination) -> MySqlTables:
    return MySqlTables(destination.options, {"password": "secret"})


def test_wrong_settings_are_named_and_a_missing_server_is_tried_again(port: int, link: Any) -> None:
    destination = make_database(port)
    with pytest.raises(DestinationError, match="Access denied"):
        MySqlTables(destination.options, {"password": "wrong"}).send_test()
    with pytest.raises(UnreachableError):
        MySqlTables({**destination.options, "port": str(reserve_port())}, {"password": "secret"}).send_test()
    with pytest.raises(BatchRefusedError, match="too long"):
        raise_database_error(pymysql.err.OperationalError(1406, "Data too long"))
