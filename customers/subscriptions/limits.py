"""How many confirmation mails one browser can cause and one address can get; counted in Valkey, or in this process if Valkey is down."""

from math import ceil

from config.foundation.rate_limiter import count_locally
from config.foundation.valkey import ValkeyDownError, run_pipeline

WINDOW_SECONDS = 3600
MAX_PER_CLIENT = 20
MAX_PER_EMAIL = 2


def count_request(subject: str, *, window: int) -> int:
    """Count a request of a subject in a clock hour; return how many there were, this one included."""
    key = f"subscriptions:{subject}:{window}"
    try:
        return int(run_pipeline(lambda pipe: pipe.incrby(key, 1).expire(key, 2 * WINDOW_SECONDS))[0])
    except ValkeyDownError:
        return MAX_PER_CLIENT + 1 if count_locally(key, max_requests=MAX_PER_CLIENT) else 1


def is_client_limited(address: str, *, seconds: float) -> bool:
    """Count a request of a browser; return whether it has made too many, which the page may show to the visitor."""
    return count_request(f"client:{address}", window=int(seconds // WINDOW_SECONDS)) > MAX_PER_CLIENT


def compute_limit_wait(*, seconds: float) -> int:
    """Return the seconds until the next clock hour, in which a limited browser may try again."""
    return ceil(WINDOW_SECONDS - seconds % WINDOW_SECONDS)


def is_email_limited(email_hash: str, *, seconds: float) -> bool:
    """Count a mail to an address; return whether it has received too many, which is never shown."""
    return count_request(f"email:{email_hash}", window=int(seconds // WINDOW_SECONDS)) > MAX_PER_EMAIL
