"""Reads the state of the servers: PostgreSQL, Valkey and the disk. Metrics, alarms and the doctor use it."""

import os
import shutil
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from redis.backoff import NoBackoff
from redis.retry import Retry

from config.foundation.database.valkey_address import open_valkey
from customers.warehouse.parquet_files import get_warehouse_root

TIMEOUT_SECONDS = 2.0
SELECT_STATE = """
SELECT pg_database_size(current_database()),
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
       current_setting('max_connections')::int,
       (SELECT coalesce(max(extract(epoch FROM now() - xact_start)), 0)::float8 FROM pg_stat_activity
        WHERE xact_start IS NOT NULL AND backend_type = 'client backend' AND pid <> pg_backend_pid()),
       (SELECT coalesce(max(extract(epoch FROM replay_lag)), 0)::float8 FROM pg_stat_replication),
       (SELECT count(*) FROM pg_stat_replication),
       pg_is_in_recovery()
"""


@dataclass(frozen=True)
class DatabaseState:
    """Bytes, connections and seconds. standby_lag: the longest of the standby servers that are connected."""

    size: int
    connections: int
    max_connections: int
    longest_transaction: float
    standby_lag: float
    standbys: int
    is_standby: bool


def read_database_state() -> DatabaseState:
    with connection.cursor() as cursor:
        cursor.execute(SELECT_STATE)
        return DatabaseState(*cursor.fetchone())


@dataclass(frozen=True)
class ValkeyState:
    """Bytes. limit: 0 for none. evicted: keys since the start."""

    used: int
    limit: int
    policy: str
    evicted: int
    clients: int


def read_valkey_state() -> ValkeyState:
    """Return memory and clients of Valkey. Raises redis.RedisError."""
    with open_valkey(
        settings.VALKEY_URL,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    ) as client:
        info = client.info()
    return ValkeyState(
        info["used_memory"],
        info["maxmemory"],
        info["maxmemory_policy"],
        info["evicted_keys"],
        info["connected_clients"],
    )


@dataclass(frozen=True)
class DiskState:
    """Bytes of a file system."""

    path: str
    free: int
    total: int

    @property
    def free_share(self) -> float:
        return self.free / self.total if self.total else 0.0


def list_data_folders() -> list[Path]:
    """Return the folders that can be on disks of their own, with the warehouse and the backups."""
    folders = [settings.VAR_DIR, settings.MODELS_DIR, settings.EXPORTS_DIR]
    with suppress(ImproperlyConfigured):  # the warehouse is not on this machine
        folders.append(get_warehouse_root().absolute())
    if settings.BACKUP_DIR:
        folders.append(Path(settings.BACKUP_DIR).absolute())
    return folders


def list_disks() -> list[DiskState]:
    """Return the file systems with our data, each once."""
    disks: dict[int, DiskState] = {}
    for path in list_data_folders():
        try:
            folder = next(parent for parent in (path, *path.parents) if parent.exists())
            device = os.stat(folder).st_dev
            usage = shutil.disk_usage(folder)
        except OSError:
            continue
        disks.setdefault(device, DiskState(str(folder), usage.free, usage.total))
    return list(disks.values())


def find_certificate_end(url: str) -> datetime | None:
    """Return when the certificate of an https address expires; None for other addresses. Raises OSError."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        return None
    context = ssl.create_default_context()
    with (
        socket.create_connection((parts.hostname, parts.port or 443), timeout=TIMEOUT_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=parts.hostname) as secure,
    ):
        certificate = secure.getpeercert() or {}
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
