"""Recent activity and other state in Valkey; without caches and without waiting tasks, which the schedule starts again."""

from collections.abc import Iterator, Sequence
from itertools import batched

import msgspec
import redis
from django.conf import settings
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from config.backup.repository import BackupRepository
from config.foundation.database.valkey_address import open_valkey

EXCLUDED_PREFIXES = (b"cache:", b"celery:", b"_kombu", b"unacked", b"breaker:")
BATCH_KEYS, PART_KEYS = 1_000, 20_000
TIMEOUT_SECONDS = 30.0

type StoredKey = tuple[bytes, int, bytes]  # name, expiry in milliseconds since 1970 (0: none), content

encoder, decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(list[tuple[bytes, int, bytes]])


def open_client() -> redis.Redis:
    return open_valkey(
        settings.VALKEY_URL,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=5,
        retry=Retry(ExponentialBackoff(), 2),
    )


def dump_keys(repository: BackupRepository) -> tuple[list[str], int]:
    """Store the keys; return the parts and the number of keys. Without Valkey there are none: serving works without it."""
    parts, number = [], 0
    try:
        with open_client() as client:
            for keys in batched(iterate_keys(client), PART_KEYS):
                parts.append(repository.store(encoder.encode(list(keys))))
                number += len(keys)
    except redis.RedisError:
        return [], 0
    return parts, number


def iterate_keys(client: redis.Redis) -> Iterator[StoredKey]:
    names = (name for name in client.scan_iter(count=BATCH_KEYS) if not name.startswith(EXCLUDED_PREFIXES))
    for batch in batched(names, BATCH_KEYS):
        with client.pipeline(transaction=False) as pipeline:
            for name in batch:
                pipeline.execute_command("PEXPIRETIME", name)
                pipeline.dump(name)
            replies = pipeline.execute()
        for name, end, content in zip(batch, replies[::2], replies[1::2], strict=True):
            if content is not None:  # it may have expired in the meantime
                yield name, max(int(end), 0), content


def restore_keys(repository: BackupRepository, parts: Sequence[str]) -> int:
    """Empty the database of Valkey and write the keys; return their number. Raises redis.RedisError."""
    number = 0
    with open_client() as client:
        client.flushdb()
        for part in parts:
            for batch in batched(decoder.decode(repository.load(part)), BATCH_KEYS):
                with client.pipeline(transaction=False) as pipeline:
                    for name, end, content in batch:
                        pipeline.restore(name, end, content, replace=True, absttl=bool(end))
                    pipeline.execute()
                number += len(batch)
    return number
