"""Locks the member of a customer who cannot be merged meanwhile, without making everyone else wait for that member.

The identity lock is one for all customers, and a member may be locked for a second while levels or points are recalculated. So the
member is waited for without the identity lock, and both are taken together only when the member is free.
"""

from collections.abc import Callable

from django.db import OperationalError, connection, transaction

from config.foundation.database.statement_timeouts import is_lock_timeout
from customers.identity.locking import lock_identities
from customers.loyalty.points.ledger import lock_members

ATTEMPTS = 3
WAIT_MS = 2_000
WAIT_WITH_IDENTITIES_MS = 50


def lock_current_member(find_customer_id: Callable[[], int]) -> int:
    """Return the ID of a customer whose member and identity are locked until the caller's transaction ends.

    Args:
        find_customer_id: looks the customer up; called again after each wait, because the customer may have been merged.

    Raises:
        OperationalError: others hold the member for longer than some seconds; REST responds 503.
    """
    for attempts_left in reversed(range(ATTEMPTS)):
        try:
            with transaction.atomic():  # a failure releases the identity lock
                lock_identities()
                customer_id = find_customer_id()
                lock_within(customer_id, WAIT_WITH_IDENTITIES_MS)
            break
        except OperationalError as error:
            if not is_lock_timeout(error) or not attempts_left:
                raise
        with transaction.atomic():
            lock_within(find_customer_id(), WAIT_MS)
            transaction.set_rollback(True)  # releases the member, because the identity lock is always taken first
    return customer_id


def lock_within(customer_id: int, milliseconds: int) -> None:
    """Lock a member; another transaction may hold it for so long at most."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = {milliseconds}")
        lock_members([customer_id])
        cursor.execute("SET LOCAL lock_timeout = DEFAULT")
