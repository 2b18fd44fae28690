"""Checks values of environment variables, such as addresses; the errors are shown at the start, with the name of the variable."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

PRODUCT_ID = "{product_id}"
# as Django matches the Host header: without a scheme and a port; ".shop.example" means all its subdomains
HOST = re.compile(r"\*|\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]", re.IGNORECASE)
# the part before the password, and the password of an address, which may follow that of a cache: simplecache::ftp://…
ADDRESS_PASSWORD = re.compile(r"(//[^/@\s:]*:)([^/@\s]+)(?=@)")
SPARK_MASTER = re.compile(r"local(\[(\*|[1-9][0-9]*)(,\s*[1-9][0-9]*)?\])?|yarn|(spark|sc|k8s)://\S+")
EMAIL = re.compile(r"[^\s@<>]@[^\s@<>]")  # somewhere in a text
ONE_SLASH = re.compile(r"[a-z][a-z0-9+.-]*:(?!//|:)", re.IGNORECASE)


def read_variable_value[T](name: str, raw: str, parse: Callable[[str], T], expected: str) -> T:
    """Return a parsed value. Errors: ImproperlyConfigured with the name of the variable, the value and what is valid."""
    try:
        return parse(raw)
    except ValueError as error:
        shown = ADDRESS_PASSWORD.sub(r"\1***", raw)
        raise ImproperlyConfigured(
            f"{name}={shown!r} is invalid: {error or expected}. Set it to {expected}, or unset it."
        ) from error


def read_time_zone(raw: str) -> str:
    """Return the name of a time zone unchanged. Errors: ValueError for any other text."""
    try:
        ZoneInfo(raw)
    except (KeyError, ValueError, OSError) as error:  # a folder of the time zone database is an OSError
        raise ValueError("unknown time zone") from error
    return raw


def read_currency(raw: str) -> str:
    """Return the code of a currency in capital letters. Errors: ValueError for an unknown one."""
    # only here: most processes start without this variable, and do not need Babel
    from config.foundation.currencies import get_known_currencies

    if raw.upper() not in get_known_currencies():
        raise ValueError("unknown currency")
    return raw.upper()


def read_hosts(raw: str) -> list[str]:
    """Return the host names of a list. Errors: ValueError for an entry that no request could match, such as a URL."""
    hosts = [part.strip() for part in raw.split(",") if part.strip()]
    for host in hosts:
        if not HOST.fullmatch(host):
            raise ValueError(f"{host!r} is not a host name without scheme, port and path")
    return hosts


def read_private_hosts(raw: str) -> list[str]:
    """Return the host names of a list as addresses contain them. Errors: ValueError for an entry that is not a whole host name."""
    hosts = [host.strip("[]").lower() for host in read_hosts(raw)]
    for host in hosts:
        if host.startswith((".", "*")):
            raise ValueError(f"{host!r} is not a whole host name; patterns are not supported")
    return hosts


def read_web_address(raw: str) -> str:
    """Return an http or https address unchanged. Errors: ValueError for anything else."""
    address = urlsplit(raw)
    if address.scheme not in ("http", "https") or not address.hostname or re.search(r"\s", raw):
        raise ValueError("not an http or https address")
    if address.port == 0:  # a port that is no number, or too large, is a ValueError already
        raise ValueError("the port must not be 0")
    return raw


def read_public_address(raw: str) -> str:
    """Return the address of a server, to which paths are appended. Errors: ValueError if that is impossible."""
    read_web_address(raw)
    if "?" in raw or "#" in raw:
        raise ValueError("paths cannot be appended to an address with ? or #")
    return raw.rstrip("/")


def read_product_address(raw: str) -> str:
    """Return the address of products unchanged. Errors: ValueError if it is not an address, or has no place for the product ID."""
    read_web_address(raw)
    if PRODUCT_ID not in raw:
        raise ValueError(f"{PRODUCT_ID} is missing")
    if "{" in raw.replace(PRODUCT_ID, "") or "}" in raw.replace(PRODUCT_ID, ""):
        raise ValueError(f"braces are allowed in {PRODUCT_ID} only")
    return raw


def read_storage_address(raw: str) -> str:
    """Return a folder or an fsspec address unchanged. Errors: ValueError for "s3:/bucket", which would be a folder of that name."""
    if ONE_SLASH.match(raw):
        raise ValueError("the two slashes after the protocol are missing")
    return raw


def read_local_folder(raw: str) -> str:
    """Return a folder, or its file:// address, unchanged. Errors: ValueError for an address elsewhere, such as "s3://bucket"."""
    address = urlsplit(raw)
    is_file = address.scheme == "file" and address.netloc in ("", "localhost")
    if ONE_SLASH.match(raw) or ("://" in raw and not is_file):
        raise ValueError("only a folder of this machine is supported")
    return raw


def read_sender(raw: str) -> str:
    """Return an e-mail address, with or without a name, unchanged. Errors: ValueError for a text without one."""
    if not EMAIL.search(raw):
        raise ValueError("not an e-mail address")
    return raw


def read_file_store(raw: str) -> str:
    """Return an fsspec address unchanged. Errors: ValueError for a protocol that fsspec does not know."""
    # only here: most installations have no file store
    from fsspec import available_protocols

    read_storage_address(raw)
    for part in raw.split("::"):  # simplecache::s3://bucket: a cache in front of a bucket
        protocol, separator, _path = part.partition("://")
        if (separator or part != raw) and protocol not in available_protocols():
            raise ValueError(f"unknown protocol {protocol!r}")
    return raw


def read_clickhouse_address(raw: str) -> str:
    """Return the address of a server, or of ClickHouse in this process. Errors: ValueError for anything else."""
    return raw if raw.startswith("chdb://") else read_web_address(raw)


def read_spark_master(raw: str) -> str:
    """Return the master of Spark unchanged. Errors: ValueError for a text that Spark would refuse."""
    if not SPARK_MASTER.fullmatch(raw):
        raise ValueError("not a master of Spark")
    return raw


def read_memory(raw: str) -> str:
    """Return an amount of memory unchanged. Errors: ValueError for anything else."""
    if not re.fullmatch(r"[0-9]{1,6}(MB|GB|TB)", raw) or not int(raw[:-2]):
        raise ValueError("not an amount of memory")
    return raw


def read_first_day(raw: str) -> date:
    """Return a date, or the first day of a year. Errors: ValueError for anything else, and for a date in the future."""
    try:
        day = date(int(raw), 1, 1) if len(raw) == 4 else date.fromisoformat(raw)
    except ValueError as error:
        raise ValueError("not a date") from error
    # one more day, because in some time zones it is tomorrow already
    if day > datetime.now(UTC).date() + timedelta(days=1):
        raise ValueError("in the future")
    return day


def read_existing_folder(raw: str) -> Path:
    """Return the path of a folder. Errors: ValueError if it does not exist."""
    path = Path(raw).expanduser().resolve()
    if not path.is_dir():
        raise ValueError("not an existing folder")
    return path


def read_existing_file(raw: str) -> str:
    """Return the path of a file. Errors: ValueError if it does not exist."""
    path = Path(raw).expanduser().resolve()
    if not path.is_file():
        raise ValueError("not an existing file")
    return str(path)


def check_email_backend(path: str) -> str:
    """Return the path of a class unchanged. Errors: ValueError if it cannot be imported."""
    try:
        import_string(path)
    except ImportError as error:
        raise ValueError(str(error)) from error
    return path
