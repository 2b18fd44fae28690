"""Opens a privacy request from the command line, or lists the open ones."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from customers.identity.customer_search import build_customer_search
from customers.identity.models import Customer
from customers.privacy.models import IdentityProof, PrivacyRequest, RequestChannel, RequestKind
from customers.privacy.requests.fulfillment import fulfill_request
from customers.privacy.requests.opening import NewRequest, open_request


class Command(BaseCommand):
    help = "Open a privacy request of a customer whose identity you have checked, or list the open requests."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "kind",
            nargs="?",
            choices=RequestKind.values,
            help="Kind of request to open; if omitted, the open requests are listed.",
        )
        parser.add_argument("--customer", help="Customer number, user ID, email address or phone number.")
        parser.add_argument("--email", default="", help="Where the answer goes; by default the stored address.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["kind"] is None:
            self.list_requests()
            return
        text = options["customer"] or ""
        customer = Customer.objects.filter(build_customer_search(text), erased_at=None).first() if text else None
        if customer is None:
            raise CommandError(
                f"No customer has the number, user ID, address or phone number {text!r}. Use --customer."
            )
        now = timezone.now()
        new = NewRequest(
            kind=options["kind"],
            channel=RequestChannel.COMMAND,
            customer=customer,
            email=options["email"] or customer.email,
            proof=IdentityProof.DOCUMENT,
        )
        with transaction.atomic():
            request, is_new = open_request(new, now=now)
            request = fulfill_request(request, now=now) if is_new else request
        state = "opened" if is_new else "is open already"
        self.stdout.write(
            f"Request {request.number} {state}: {request.kind}, {request.state}, due {request.due_at:%Y-%m-%d}."
        )

    def list_requests(self) -> None:
        requests = PrivacyRequest.objects.open().order_by("due_at", "pk")
        for request in requests:
            self.stdout.write(f"{request.number}\t{request.kind}\t{request.state}\tdue {request.due_at:%Y-%m-%d}")
        if not requests:
            self.stdout.write("No request is open.")
