"""What Valkey does when its memory is full: tasks and recent activity share one server, so it must evict only keys with an expiry."""

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from config.foundation.database.valkey_address import open_valkey

EVICTION_POLICY = "volatile-lru"
VALID_POLICIES = (EVICTION_POLICY, "volatile-lfu")
TIMEOUT_SECONDS = 5


def find_memory_problem(url: str) -> str:
    """Return the problem with a server's memory limit or eviction policy, and its fix; empty if there is none."""
    retry = Retry(NoBackoff(), 0)
    try:
        with open_valkey(
            url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS, retry=retry
        ) as client:
            memory = client.info("memory")
    except redis.RedisError as error:
        return f"The memory limit of Valkey could not be read ({error})."
    policy, limit = memory.get("maxmemory_policy"), memory.get("maxmemory")
    if limit == 0:
        return f"Valkey has no memory limit. Set maxmemory, and maxmemory-policy to {EVICTION_POLICY}."
    if policy not in VALID_POLICIES:
        danger = "loses tasks" if str(policy).startswith("allkeys") else "stops running tasks"
        return (
            f"Valkey's maxmemory-policy is {policy}: when its memory is full, Perennial {danger}. "
            f"Set it to {EVICTION_POLICY}."
        )
    return ""
