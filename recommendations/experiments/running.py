"""Reads the running experiments for the memory of a worker."""

from django.db.models import Count, Max

from recommendations.experiments.assignment import (
    NO_EXPERIMENTS,
    RunningExperiment,
    RunningExperiments,
    RunningVariant,
    build_buckets,
)
from recommendations.experiments.models import Experiment


def read_running_experiments(before: RunningExperiments = NO_EXPERIMENTS) -> RunningExperiments:
    """Return the running experiments; if nothing has changed, the same object, at the cost of one query."""
    running = Experiment.objects.filter(status=Experiment.Status.RUNNING, is_simulated=False)
    newest = running.order_by().aggregate(count=Count("id"), newest=Max("updated_at"))
    fingerprint = (newest["count"], newest["newest"])
    if not newest["count"]:
        return NO_EXPERIMENTS
    if fingerprint == before.fingerprint:
        return before
    by_subject = {
        (experiment.kind, experiment.subject): compile_experiment(experiment)
        for experiment in running.prefetch_related("variants")
    }
    return RunningExperiments(by_subject, fingerprint)


def compile_experiment(experiment: Experiment) -> RunningExperiment:
    """Return an experiment as workers keep it."""
    variants = list(experiment.variants.all())
    shares = [float(variant.share) if variant.allocation is None else float(variant.allocation) for variant in variants]
    return RunningExperiment(
        experiment.pk,
        experiment.key,
        experiment.kind,
        experiment.subject,
        experiment.unit,
        experiment.salt,
        experiment.method,
        tuple(
            RunningVariant(variant.pk, variant.key, variant.config, variant.is_control, first, end)
            for variant, (first, end) in zip(variants, build_buckets(shares), strict=True)
        ),
    )
