"""The first steps of a new shop, from the first source to the first campaign, and what predictions still need."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import IntegerField, QuerySet, Value
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django_celery_beat.models import PeriodicTask

from catalog.models import Product
from config.jobs.models import ScheduledRun
from customers.events.models import Source
from customers.lifecycle.backoffice.labels.missing_data import (
    describe_missing_cluster_data,
    describe_missing_propensity_data,
    describe_missing_value_data,
)
from customers.lifecycle.models import LifecycleRun
from customers.orders.models import Order
from recommendations.campaigns.models import Campaign
from recommendations.serving.impressions.models import Impression
from recommendations.training.models import ModelVersion

START_PERMISSION = "django_celery_beat.change_periodictask"


@dataclass(frozen=True, slots=True)
class OnboardingStep:
    """A step, which is done when ``find`` finds something.

    task: the job that does it, which the page can start when there are orders.
    """

    title: str | Promise
    advice: str | Promise
    find: Callable[[], QuerySet[Any]]
    url_name: str
    action: str | Promise
    permission: str
    url_arguments: tuple[str, ...] = ()
    task: str = ""


IMPORT_ORDERS = OnboardingStep(
    _("Import past orders"),
    _("One to two years are best. Lifecycle stages and recommendations are computed from orders."),
    Order.objects.all,
    "imports:new",
    _("Import orders"),
    "orders.add_order",
    ("orders",),
)

STEPS = (
    OnboardingStep(
        _("Connect a source"),
        _("A source receives customer activity from a website, an app or a server, with any Segment SDK."),
        lambda: Source.objects.exclude(kind=Source.Kind.IMPORT),
        "admin:events_source_add",
        _("Add a source"),
        "events.add_source",
    ),
    OnboardingStep(
        _("Load the catalog"),
        _(
            "Import products with title, category and price from a Google Merchant feed, a CSV or JSON Lines file, or through the API."
        ),
        lambda: Product.objects.filter(is_active=True),
        "imports:new",
        _("Import products"),
        "catalog.add_product",
        ("products",),
    ),
    IMPORT_ORDERS,
    OnboardingStep(
        _("Compute profiles"),
        _(
            "Every customer's stage, value and predictions are computed from orders: automatically every night, or now if you start the job."
        ),
        lambda: LifecycleRun.objects.filter(status=LifecycleRun.Status.DONE),
        "admin:lifecycle_lifecyclerun_changelist",
        _("See runs"),
        "lifecycle.view_lifecyclerun",
        task="customers.lifecycle.tasks.refresh_profiles",
    ),
    OnboardingStep(
        _("Train recommendations"),
        _(
            "Several algorithms are tested on your own orders and clicks, and the best one is used: automatically every "
            "night, or now if you start the job."
        ),
        lambda: ModelVersion.objects.filter(status=ModelVersion.Status.ACTIVE),
        "admin:training_modelversion_changelist",
        _("See models"),
        "training.view_modelversion",
        task="recommendations.training.tasks.train_nightly",
    ),
    OnboardingStep(
        _("Show a placement"),
        _(
            "A placement is a row of products on a page of the shop. Check it in the preview, then have the shop request "
            "it. This step is complete when the first products are shown."
        ),
        Impression.objects.all,
        "admin:serving_placementsettings_changelist",
        _("See placements"),
        "serving.view_placementsettings",
    ),
    OnboardingStep(
        _("Create a campaign"),
        _(
            "Choose a segment, a message and the size of the holdout group. Before the launch you see who gets the message, "
            "and afterwards its incremental lift."
        ),
        Campaign.objects.all,
        "admin:campaigns_campaign_add",
        _("Create a campaign"),
        "campaigns.add_campaign",
    ),
)


@dataclass(frozen=True, slots=True)
class StepStatus:
    """A step as the page shows it. is_next: the first step that is not done; is_running: its job runs now."""

    step: OnboardingStep
    is_done: bool
    is_next: bool
    url: str
    start_url: str
    is_running: bool


def list_steps(user: Any) -> list[StepStatus]:
    """Return every step with its state; empty as soon as all are done."""
    done = find_done_steps()
    if all(done):
        return []
    first_open = done.index(False)
    jobs = list_jobs() if done[STEPS.index(IMPORT_ORDERS)] and user.has_perm(START_PERMISSION) else {}
    running = find_running_jobs()
    return [
        StepStatus(
            step=step,
            is_done=is_done,
            is_next=number == first_open,
            url=reverse(step.url_name, args=step.url_arguments) if user.has_perm(step.permission) else "",
            start_url=reverse("jobs:start", args=[jobs[step.task]]) if step.task in jobs else "",
            is_running=step.task in running,
        )
        for number, (step, is_done) in enumerate(zip(STEPS, done, strict=True))
    ]


def list_jobs() -> dict[str, int]:
    """Return the numbers of the jobs that the steps can start, by task."""
    jobs = PeriodicTask.objects.filter(task__in=[step.task for step in STEPS if step.task])
    return dict(jobs.values_list("task", "pk"))


def find_running_jobs() -> set[str]:
    tasks = [step.task for step in STEPS if step.task]
    runs = ScheduledRun.objects.filter(task__in=tasks, status=ScheduledRun.Status.RUNNING)
    return set(runs.values_list("task", flat=True))


def find_done_steps() -> list[bool]:
    """Return for each step whether it is done, in one query."""
    found = [step.find().order_by().values_list(Value(number, IntegerField()))[:1] for number, step in enumerate(STEPS)]
    numbers = {number for (number,) in found[0].union(*found[1:])}
    return [number in numbers for number in range(len(STEPS))]


def list_missing_data() -> list[str]:
    """Return what each prediction still needs, such as “needs 30 customers with two orders; you have 12”."""
    return [
        text
        for describe in (describe_missing_value_data, describe_missing_propensity_data, describe_missing_cluster_data)
        if (text := describe())
    ]
