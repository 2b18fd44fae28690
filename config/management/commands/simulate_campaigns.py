"""``manage.py simulate_campaigns``: sends campaigns to customers whose reaction is known, and compares the results with the truth."""

import json
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from config.campaign_simulation.models import SimulatedTruth
from config.campaign_simulation.population import ResponseKind
from config.campaign_simulation.sending import OtherMessagesWaitError
from config.campaign_simulation.simulation import SimulationPlan, simulate_campaigns
from config.campaign_simulation.storage import count_real_data, exist_simulated_customers, remove_simulation
from config.foundation.database.advisory_locks import AlreadyRunningError, exclusive_lock
from config.foundation.progress import ProgressBar, ignore_progress

LIMITS = {"customers": (100, 1_000_000), "campaigns": (1, 100), "days": (1, 1_000), "window": (1, 90)}


class Command(BaseCommand):
    help = (
        "Create customers with known individual effects (persuadables, sure things, lost causes and sleeping dogs), send campaigns to them "
        "through the real code to a mail server on this machine that keeps nothing, draw their orders by the known truth, and compare the "
        "results with it. Everything is marked as simulated; --remove deletes it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        plan = SimulationPlan()
        parser.add_argument("--customers", type=int, default=plan.customers, help=f"default {plan.customers}")
        parser.add_argument("--campaigns", type=int, default=plan.campaigns, help=f"default {plan.campaigns}")
        parser.add_argument(
            "--effect",
            type=float,
            default=plan.effect,
            help=f"mean effect on the probability to order, 0.03 is 3 percentage points; 0 for none (default {plan.effect})",
        )
        parser.add_argument("--seed", type=int, default=plan.seed, help="another seed draws another shop (default 1)")
        parser.add_argument(
            "--days",
            type=int,
            default=plan.days,
            help=f"days of orders before the first campaign (default {plan.days})",
        )
        parser.add_argument(
            "--holdout", type=float, default=plan.holdout_share, help=f"holdout share (default {plan.holdout_share})"
        )
        parser.add_argument(
            "--window",
            type=int,
            default=plan.window_days,
            help=f"attribution window in days (default {plan.window_days})",
        )
        parser.add_argument("--dry-run", action="store_true", help="describe the customers, store nothing")
        parser.add_argument("--remove", action="store_true", help="delete everything that this command has stored")
        parser.add_argument(
            "--force",
            action="store_true",
            help="run even in a shop with real data, whose figures then include the simulated customers",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["remove"]:
            counts = remove_simulation()
            self.stdout.write("Removed: " + ", ".join(f"{number:,} {name}" for name, number in counts.items()) + ".")
            return
        plan = self.read_plan(options)
        try:
            self.describe(plan)
            if options["dry_run"]:
                self.stdout.write("Dry run: nothing was stored.")
                return
            self.check_shop(is_forced=options["force"])
            started = time.monotonic()
            progress = ProgressBar("Campaigns") if options["verbosity"] else ignore_progress
            with exclusive_lock("simulate_campaigns"):
                truths = simulate_campaigns(plan, now=timezone.now(), progress=progress)
        except (ValueError, OtherMessagesWaitError, AlreadyRunningError) as error:
            raise CommandError(str(error)) from error
        for truth in truths:
            self.stdout.write(format_truth(truth))
        seconds = time.monotonic() - started
        self.stdout.write(f"{plan.customers * plan.campaigns / seconds:,.0f} customers and campaigns per second.")
        self.stdout.write(json.dumps(summarize(plan, truths, seconds)))

    def read_plan(self, options: dict[str, Any]) -> SimulationPlan:
        for name, (low, high) in LIMITS.items():
            if not low <= options[name] <= high:
                raise CommandError(f"--{name} {options[name]} is not between {low} and {high:,}.")
        if not 0 < options["holdout"] < 1:
            raise CommandError(f"--holdout {options['holdout']} is not between 0 and 1.")
        if not 0 <= options["effect"] <= 1:
            raise CommandError(f"--effect {options['effect']} is not between 0 and 1; 0.03 is 3 percentage points.")
        return SimulationPlan(
            customers=options["customers"],
            campaigns=options["campaigns"],
            effect=options["effect"],
            seed=options["seed"],
            days=options["days"],
            holdout_share=options["holdout"],
            window_days=options["window"],
        )

    def describe(self, plan: SimulationPlan) -> None:
        population = plan.draw()
        for kind in ResponseKind:
            chosen = population.kinds == kind
            self.stdout.write(
                f"{kind.name.replace('_', ' ').lower()}: {chosen.sum():,} customers, order rate {population.base_rates[chosen].mean():.3f} "
                f"in {plan.window_days} days, effect of a message {population.effects[chosen].mean() * 100:+.2f} points"
            )

    def check_shop(self, *, is_forced: bool) -> None:
        """Raise CommandError if the shop has simulated customers already, or real data."""
        if exist_simulated_customers():
            raise CommandError("Simulated campaigns exist already. Delete them first with --remove.")
        customers, orders = count_real_data()
        if (customers or orders) and not is_forced:
            raise CommandError(
                f"This shop has {customers:,} customers and {orders:,} orders that are not simulated; its figures would include the "
                "simulated ones until --remove. Use a shop of its own (set PERENNIAL_VAR to a new folder), or add --force."
            )


def format_truth(truth: SimulatedTruth) -> str:
    if truth.estimate is None or truth.low is None or truth.high is None:
        return f"{truth.run.campaign.key}: true effect {truth.conversion * 100:+.2f} points, no estimate"
    revenue = ""
    if truth.revenue_estimate is not None and truth.revenue_low is not None and truth.revenue_high is not None:
        revenue = (
            f"; revenue per customer true {truth.revenue:+.2f}, estimated {truth.revenue_estimate:+.2f} "
            f"({truth.revenue_low:+.2f} to {truth.revenue_high:+.2f})"
        )
    return (
        f"{truth.run.campaign.key}: true effect {truth.conversion * 100:+.2f} points, estimated {truth.estimate * 100:+.2f} "
        f"({truth.low * 100:+.2f} to {truth.high * 100:+.2f}), {'covered' if truth.is_covered else 'not covered'}{revenue}"
    )


def summarize(plan: SimulationPlan, truths: list[SimulatedTruth], seconds: float) -> dict[str, Any]:
    """Return the line of figures that other programs read."""
    estimated = [truth for truth in truths if truth.is_covered is not None]
    revenue = [truth for truth in truths if truth.revenue_low is not None and truth.revenue_high is not None]
    return {
        "customers": plan.customers,
        "campaigns": plan.campaigns,
        "seed": plan.seed,
        "true_effect": round(sum(truth.conversion for truth in truths) / len(truths), 5),
        "estimate": round(sum(truth.estimate or 0 for truth in estimated) / len(estimated), 5) if estimated else None,
        "covered": sum(bool(truth.is_covered) for truth in estimated),
        "revenue_covered": sum(
            (truth.revenue_low or 0) <= truth.revenue <= (truth.revenue_high or 0) for truth in revenue
        ),
        "seconds": round(seconds, 1),
    }
