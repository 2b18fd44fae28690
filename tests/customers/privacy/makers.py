"""A customer with a proven address, and the links of mails."""

import re

from django.core import mail

from customers.identity.models import Customer, Identifier
from customers.identity.personal_data.hashing import hash_email
from tests.makers import make_customer, make_identifier

EMAIL = "mei@shop.example"


def make_mei() -> Customer:
    customer = make_customer("mei", email=EMAIL, name="Mei Lin", country="DE", language="en")
    make_identifier(customer, hash_email(EMAIL), kind=Identifier.Kind.EMAIL_HASH)
    return customer


def read_links(path: str) -> list[str]:
    """Return the links of this kind in the mails that were sent, such as those of "data"."""
    texts = "\n".join(str(message.body) for message in mail.outbox)
    return [f"/privacy/{path}/{token}" for token in re.findall(rf"http\S+/privacy/{path}/(\S+)", texts)]
