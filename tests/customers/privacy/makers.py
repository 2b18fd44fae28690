"""A customer with a proven address, and the links of mails."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from django.core import mail

from customers.identity.models import Customer, Identifier
from customers.identity.personal_data.hashing import hash_email
from tests.makers import make_customer, make_identifier

EMAIL = "mei@shop.example"


def make_mei() -> Customer:
    customer = make_customer("mei", email=EMAIL, name="Mei Lin", country="DE", language="en")
    make_identifier(customer, hash_email(EMAIL), kind=Identifier.Kind.EMAIL_HASH)
    return customer


@contextmanager
def hold_erased_notices() -> Iterator[list[tuple[Any, ...]]]:
    """Queue the mails that confirm erasures as a broker does, and send those that are left in the queue after the block.

    They are queued before the erasure, so a task that runs at once would wait for it forever.
    """
    from customers.privacy.tasks import send_erased_notice

    queue: list[tuple[Any, ...]] = []
    with patch.object(send_erased_notice, "delay", lambda *arguments: queue.append(arguments)):
        yield queue
    for arguments in queue:
        send_erased_notice.apply(args=arguments)


def read_links(path: str) -> list[str]:
    """Return the links of this kind in the mails that were sent, such as those of "data"."""
    texts = "\n".join(str(message.body) for message in mail.outbox)
    return [f"/privacy/{path}/{token}" for token in re.findall(rf"http\S+/privacy/{path}/(\S+)", texts)]
