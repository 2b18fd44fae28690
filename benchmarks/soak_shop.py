"""The shop of `benchmarks.soak`: products with a model, customers with an address, a source, a session and deliveries that become due."""

import argparse
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

PAGES = (
    "admin:index",
    "admin:identity_customer_changelist",
    "admin:orders_order_changelist",
    "admin:catalog_product_changelist",
)
SOURCE = "soak"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--products", type=int, default=1_000)
    parser.add_argument("--recipients", type=int, required=True, help="customers who get one email each during the run")
    parser.add_argument("--seconds", type=float, required=True, help="seconds over which their messages become due")
    parser.add_argument("--schedule", action="store_true", help="only spread the messages over the coming seconds")
    arguments = parser.parse_args()
    import django

    django.setup()
    print(json.dumps(schedule_messages(arguments.seconds) if arguments.schedule else make_shop(arguments)))


def make_shop(arguments: argparse.Namespace) -> dict[str, Any]:
    from benchmarks import sending, serving_shop

    people = max(arguments.products, 1_000)
    shop = serving_shop.make_shop(
        SimpleNamespace(folder=arguments.folder, products=arguments.products, customers=people, copies=0)  # type: ignore[arg-type]
    )
    versions = sending.prepare(arguments.recipients, http_port=9)
    sending.queue(1, versions["email"], "email", arguments.recipients)
    hold_messages()
    return {"api_key": shop["api_key"], "write_key": make_source(), **make_session()}


def hold_messages() -> None:
    from recommendations.sending.models import Delivery

    Delivery.objects.update(due_at=datetime.now(UTC) + timedelta(days=365))


def schedule_messages(seconds: float) -> dict[str, Any]:
    """Let the waiting messages become due one after the other."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE sending_delivery SET due_at = clock_timestamp() + random() * %s * interval '1 s'", [seconds]
        )
        return {"messages": cursor.rowcount}


def make_source() -> str:
    from customers.events.models import Source
    from customers.events.sources.write_keys import generate_write_key

    source = Source(key=SOURCE, name=SOURCE, kind=Source.Kind.SERVER)
    plain = generate_write_key(source, now=datetime.now(UTC))
    source.save()
    return plain


def make_session() -> dict[str, Any]:
    """Log a superuser in; return the cookie and the pages that they open."""
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.test import Client
    from django.urls import reverse

    user = User.objects.create_superuser("soak", "soak@example.com", "soak-pass-123")
    client = Client()
    client.force_login(user)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    return {"cookie": f"{settings.SESSION_COOKIE_NAME}={cookie.value}", "pages": [reverse(name) for name in PAGES]}


if __name__ == "__main__":
    main()
