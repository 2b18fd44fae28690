"""Addresses of Valkey: a server, or a service whose primary is named by sentinels.

``redis://:password@host:port/0``, or ``sentinel://:password@host:26379,host:26379/service/0``. The password is that of the servers; sentinels
that require one get the same password. Valkey Cluster cannot be used: pipelines and scripts use keys of several slots, and Celery has no
transport for it.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import redis
from redis.sentinel import Sentinel

SENTINEL = "sentinel://"
SENTINEL_PORT = 26379
SENTINEL_SECONDS = 1.0  # time to wait for one sentinel before the next one is asked
EXPECTED = "redis://:password@host:port/0 or sentinel://:password@host:port,host:port/service/0"
CLUSTER_SCHEMES = ("cluster", "redis+cluster", "rediscluster", "valkey+cluster")


@dataclass(frozen=True)
class SentinelAddress:
    """The sentinels of a service, and how to log in to its servers."""

    sentinels: tuple[tuple[str, int], ...]
    service: str
    database: int
    user: str
    password: str

    @property
    def broker_url(self) -> str:
        """The address as Celery expects it: one URL per sentinel."""
        login = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}@" if self.password else ""
        return ";".join(f"{SENTINEL}{login}{format_host(host)}:{port}/{self.database}" for host, port in self.sentinels)

    @property
    def sentinel_options(self) -> dict[str, Any]:
        """Options of the connections to the sentinels themselves."""
        options: dict[str, Any] = {"socket_timeout": SENTINEL_SECONDS, "socket_connect_timeout": SENTINEL_SECONDS}
        return options | ({"password": self.password} if self.password else {})


def format_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def check_valkey_address(url: str) -> str:
    """Return an address with the scheme that clients expect. Raises ValueError with what is wrong."""
    scheme = url.partition("://")[0].lower()
    if scheme in CLUSTER_SCHEMES:
        raise ValueError(
            "Valkey Cluster cannot be used: pipelines and scripts use keys of several slots; use sentinels for fail-over"
        )
    if scheme == "sentinel":
        parse_sentinel_address(url)
        return url
    if scheme not in ("redis", "rediss", "valkey", "valkeys", "unix"):
        raise ValueError(f"unknown scheme {scheme!r}")
    address = url.replace("valkeys://", "rediss://").replace("valkey://", "redis://")
    if scheme != "unix":
        check_port_and_database(address)
    redis.connection.parse_url(address)  # its errors name the options that are invalid
    return address


def check_port_and_database(url: str) -> None:
    """Raise ValueError if the port or the number of the database cannot be used; the text may contain a password and is not repeated."""
    parts = urlsplit(url)
    try:
        is_valid = parts.port != 0
    except ValueError:  # not a number, or too large
        is_valid = False
    if not is_valid:
        raise ValueError("the port must be a number from 1 to 65535")
    database = parts.path.strip("/")
    if database and not (database.isascii() and database.isdigit()):
        raise ValueError("the database must be a number")


def parse_sentinel_address(url: str) -> SentinelAddress:
    """Return the parts of a sentinel address. Raises ValueError with what is wrong."""
    place, _slash, path = url.removeprefix(SENTINEL).partition("/")
    login, _at, hosts = place.rpartition("@")
    user, _colon, password = login.partition(":")
    service, _slash, database = path.partition("?")[0].rstrip("/").partition("/")
    if not service:  # also of //0, where the database must not be taken for it
        raise ValueError("the name of the service is missing after the sentinels")
    if database and not (database.isascii() and database.isdigit()):
        raise ValueError(f"the database must be a number, not {database!r}")
    sentinels = tuple(parse_place(text) for text in hosts.split(","))
    return SentinelAddress(sentinels, unquote(service), int(database or 0), unquote(user), unquote(password))


def parse_place(text: str) -> tuple[str, int]:
    host, colon, port = text.strip().rpartition(":")
    if not colon or port.endswith("]"):
        host, port = text.strip(), str(SENTINEL_PORT)
    if not host.strip("[]") or not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        raise ValueError(f"{text!r} is not a host and port of a sentinel")
    return host.strip("[]"), int(port)


def open_valkey(url: str, **options: Any) -> redis.Redis:
    """Return a client of the server, or of the primary that the sentinels name whenever it connects."""
    if not url.startswith(SENTINEL):
        return redis.Redis.from_url(url, **options)
    address = parse_sentinel_address(url)
    login = {"username": address.user or None, "password": address.password or None}
    sentinel = Sentinel(list(address.sentinels), sentinel_kwargs=address.sentinel_options)
    client: redis.Redis = sentinel.master_for(address.service, db=address.database, **login, **options)
    return client


class ValkeyPool:
    """Makes the connection pools of Django's cache."""

    @classmethod
    def from_url(cls, url: str, **options: Any) -> redis.ConnectionPool:
        return open_valkey(url, **options).connection_pool
