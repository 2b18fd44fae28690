"""``manage.py verify_erasure``: searches every store for erased people and reports where it has searched."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from config.foundation.personal_data.person import Person
from customers.erasure.models import ErasureRun
from customers.erasure.people import describe_person
from customers.erasure.proof.verification import ProofReport, find_writers, prove_run, search_everything
from customers.erasure.runner import find_running
from customers.identity.models import Customer

LAST_NUMBER = "SELECT COALESCE(pg_sequence_last_value(pg_get_serial_sequence('identity_customer', 'id')), 0)"


def read_last_number() -> int:
    """Return the highest number that a customer has ever been given."""
    with connection.cursor() as cursor:
        cursor.execute(LAST_NUMBER)
        return int(cursor.fetchone()[0])


class Command(BaseCommand):
    """Prove that nothing of erased customers is left; exit with 1 if something is found."""

    help = (
        "Searches every file, every key of Valkey, every queue and every column of the database for customers. "
        "Without --text, their data is taken from the record of the erasure, which keeps it encrypted until the proof."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("customer", nargs="?", type=int, help="the number of a customer")
        parser.add_argument("--run", type=int, help="the number of an erasure")
        parser.add_argument(
            "--text", action="append", default=[], help="a text to search for, such as an email address"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        run = self.find_run(options)
        if run is not None and not options["text"]:
            if not run.is_finished:
                raise CommandError(f"Erasure {run.pk} is not finished.")
            if run.proven_at:
                self.stdout.write(
                    f"Erasure {run.pk} was verified at {run.proven_at:%Y-%m-%d %H:%M}; the data needed to search for its people was deleted."
                )
                return
            writers = find_writers(run)
            if writers:
                raise CommandError(
                    f"A job that began before erasure {run.pk} is still writing to {', '.join(writers)}. Try again when it has finished."
                )
            result = prove_run(run, report=self.stdout.write)
        else:
            result = search_everything([self.describe(options)], report=self.stdout.write)
        self.show_result(result)

    def find_run(self, options: dict[str, Any]) -> ErasureRun | None:
        """Return the erasure to prove; None to search for the customer or texts on the command line."""
        if options["run"]:
            run = ErasureRun.objects.filter(pk=options["run"]).first()
            if run is None:
                raise CommandError(f"There is no erasure {options['run']}.")
            return run
        return find_running([options["customer"]]) if options["customer"] else None

    def describe(self, options: dict[str, Any]) -> Person:
        """Return whom to search for: a customer who is still stored, or what the command line says."""
        number = options["customer"] or 0
        customer = Customer.objects.filter(pk=number, erased_at=None).first()
        if customer is not None:
            return describe_person(customer)
        if not options["text"] and not number:
            raise CommandError("Specify a customer, an erasure with --run, or a text with --text.")
        if number and not options["text"] and number > read_last_number():
            raise CommandError(f"There has never been a customer {number}. Check the number.")
        return Person(number, search_terms=tuple(options["text"]))

    def show_result(self, result: ProofReport) -> None:
        """Print what was found, and exit with 1 if anything was."""
        for finding in result.findings:
            owner = finding.store or "no store"
            self.stdout.write(f"FOUND {finding.location}: {finding.count} by {finding.recognized_by} ({owner})")
        self.stdout.write(
            f"{result.files} files ({result.bytes / 1e6:.1f} MB), {result.keys} keys, {result.tables} tables searched in "
            f"{result.seconds:.1f} s: {'nothing found' if result.is_clean else f'{len(result.findings)} places'}"
        )
        if not result.is_clean:
            sys.exit(1)
