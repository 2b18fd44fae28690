"""``manage.py erase_customer``: erases customers, or shows what an erasure would change."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.foundation.personal_data.registry import list_stores
from customers.erasure.models import ErasureRun
from customers.erasure.people import describe_person
from customers.erasure.runner import NobodyToEraseError, erase_customers, execute_run
from customers.identity.models import Customer
from customers.identity.resolution.user_ids import find_customers_by_user_id


class Command(BaseCommand):
    """Erase customers everywhere."""

    help = (
        "Erases customers in every store, keeps them from being created again, and leaves orders and results anonymous."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("customer", nargs="*", type=int, help="the numbers of the customers")
        parser.add_argument("--user-id", action="append", default=[], help="the user ID of a customer; can be repeated")
        parser.add_argument(
            "--dry-run", action="store_true", help="print what is stored of each customer, and erase nothing"
        )
        parser.add_argument("--by", default="manage.py", help="who asked for it, for the record")

    def handle(self, *args: Any, **options: Any) -> None:
        customer_ids = self.list_customer_ids(options)
        if options["dry_run"]:
            for customer_id in customer_ids:
                self.show_plan(customer_id)
            return
        try:
            run = erase_customers(customer_ids, requested_by=options["by"])
        except NobodyToEraseError as error:
            raise CommandError(str(error)) from error
        self.show_run(execute_run(run.pk))

    def list_customer_ids(self, options: dict[str, Any]) -> list[int]:
        """Return the numbers of the customers that the command line names.

        Raises:
            CommandError: it names none, or no customer has one of the user IDs.
        """
        user_ids = options["user_id"]
        found = find_customers_by_user_id(user_ids=user_ids)
        if unknown := [user_id for user_id in user_ids if user_id not in found]:
            raise CommandError(f"No customer has the user ID {', '.join(unknown)}. Nothing was erased.")
        customer_ids = list(dict.fromkeys([*options["customer"], *found.values()]))
        if not customer_ids:
            raise CommandError("Name the customers by their numbers or with --user-id.")
        return customer_ids

    def show_plan(self, customer_id: int) -> None:
        """Print what the stores have of a customer."""
        customer = Customer.objects.filter(pk=customer_id, erased_at=None).first()
        if customer is None:
            raise CommandError(f"No customer has the number {customer_id}, or it was erased.")
        person = describe_person(customer)
        self.stdout.write(
            f"Customer {customer_id}: {len(person.identifiers)} identifiers, {len(person.merged_ids)} merged customers"
        )
        for store in list_stores():
            for finding in store.find([person]):
                self.stdout.write(f"  {store.key:28} {finding.count:8,}  {finding.location}  {store.label}")

    def show_run(self, run: ErasureRun) -> None:
        """Print the steps of a run."""
        for step in run.steps.all():
            if step.changed or step.error:
                self.stdout.write(f"  {step.store:28} {step.changed:8,}  {step.seconds:6.2f} s  {step.error}")
        if not run.is_finished:
            raise CommandError(f"Erasure {run.pk} is not finished, and will be resumed: {run.error}")
        self.stdout.write(
            f"Erasure {run.pk}: {run.customers} {'customer' if run.customers == 1 else 'customers'} erased. "
            f"Prove it: manage.py verify_erasure --run {run.pk}"
        )
        if run.error:
            self.stderr.write(f"Warning: {run.error}")
