"""The variants that people were first served, in Valkey, so that they keep them when they log in or the shares of a bandit change.

`variant:{experiment}:{digest}` is the variant, the moment in milliseconds and the propensity of the first exposure of one identifier. The key
holds a hash of the identifier, not the identifier. If Valkey is emptied, the hash decides again, and results still count
the earliest exposure.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any, NamedTuple

from config.foundation.keys.hash_keys import get_hash_keys
from config.foundation.valkey import LuaScript, ValkeyDownError, run_command, run_pipeline, run_script

KEPT_SECONDS = 180 * 86400  # the longest experiment
TIMEOUT_SECONDS = 0.03
READ_SCRIPT = LuaScript("return redis.call('MGET', unpack(ARGV))")
MAX_REMEMBERED = 100_000  # identifiers whose variant this process knows to be kept


class KeptVariant(NamedTuple):
    """The first exposure of an identifier."""

    exposed_ms: int
    variant_id: int
    propensity: float


class VariantToKeep(NamedTuple):
    """A variant that was served to the identifiers ("kind:value") of a request."""

    experiment_id: int
    variant_id: int
    propensity: float
    names: Sequence[str]
    served_at: datetime


_remembered: set[bytes] = set()


def make_key(experiment_id: int, name: str) -> str:
    """Return the key of an identifier ("kind:value")."""
    return make_keys(experiment_id, name)[0]


def make_keys(experiment_id: int, name: str) -> list[str]:
    """Return the key of an identifier under each hash key, the current one first."""
    return [
        f"variant:{experiment_id}:{blake2b(name.encode(), key=key.encode()[:64], digest_size=12).hexdigest()}"
        for key in get_hash_keys()
    ]


def read_kept_variants(*, experiment_id: int, names: Sequence[str]) -> KeptVariant | None:
    """Return the earliest first exposure of these identifiers; None without one, or if Valkey is down."""
    try:
        keys = [key for name in names for key in make_keys(experiment_id, name)]
        values = run_script(READ_SCRIPT, *keys, timeout=TIMEOUT_SECONDS)
    except ValkeyDownError:
        return None
    return min((parse_kept(value) for value in values if value), default=None)


def parse_kept(value: bytes) -> KeptVariant:
    exposed_ms, variant_id, propensity = value.decode().split(":")
    return KeptVariant(int(exposed_ms), int(variant_id), float(propensity))


def keep_variants(served: Iterable[VariantToKeep]) -> None:
    """Keep variants for identifiers that have none yet, in one round trip. Raises ValkeyDownError."""
    new: dict[str, str] = {}
    for variant in served:
        value = f"{int(variant.served_at.timestamp() * 1000)}:{variant.variant_id}:{variant.propensity:.6g}"
        for name in variant.names:
            key = make_key(variant.experiment_id, name)
            if key.encode() not in _remembered:
                new.setdefault(key, value)
    if not new:
        return

    def fill(pipe: Any) -> None:
        for key, value in new.items():
            pipe.set(key, value, nx=True, ex=KEPT_SECONDS)

    run_pipeline(fill)
    if len(_remembered) + len(new) > MAX_REMEMBERED:
        _remembered.clear()
    _remembered.update(key.encode() for key in new)


def forget_kept_variants(*, experiment_ids: Sequence[int], names: Sequence[str]) -> None:
    """Delete the variants of these identifiers, for example of an erased customer. Does nothing if Valkey is down."""
    keys = [key for experiment_id in experiment_ids for name in names for key in make_keys(experiment_id, name)]
    if keys:
        try:
            run_command("DEL", *keys)
        except ValkeyDownError:
            return
        _remembered.difference_update(key.encode() for key in keys)
