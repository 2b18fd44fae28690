"""How many links one browser can ask for, how many mails an address gets, and how fast pages can be opened."""

from hashlib import blake2b

from config.foundation.rate_limiter import count_locally
from config.foundation.valkey import ValkeyDownError, run_pipeline

WINDOW_SECONDS = 3600
MAX_PER_CLIENT = 20
MAX_PER_EMAIL = 3
PAGES_PER_MINUTE = 60


def count_request(subject: str, *, window: int) -> int:
    """Count a request of a subject in a clock hour; return how many there were, this one included."""
    key = f"privacy:{subject}:{window}"
    try:
        return int(run_pipeline(lambda pipe: pipe.incrby(key, 1).expire(key, 2 * WINDOW_SECONDS))[0])
    except ValkeyDownError:
        return MAX_PER_CLIENT + 1 if count_locally(key, max_requests=MAX_PER_CLIENT) else 1


def is_client_limited(address: str, *, seconds: float) -> bool:
    """Count a request of a browser; return whether it has made too many, which the page may show to the visitor."""
    return count_request(f"client:{address}", window=int(seconds // WINDOW_SECONDS)) > MAX_PER_CLIENT


def is_email_limited(email_hash: str, *, seconds: float) -> bool:
    """Count a mail to an address; return whether it has received too many, which is never shown.

    The name of the counter is hashed once more; otherwise the check after an erasure would find the identifier in it for two hours.
    """
    digest = blake2b(email_hash.encode(), digest_size=16).hexdigest()
    return count_request(f"email:{digest}", window=int(seconds // WINDOW_SECONDS)) > MAX_PER_EMAIL
