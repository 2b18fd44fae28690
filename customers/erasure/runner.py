"""Erases customers everywhere: one function for pages, REST, commands and webhooks, in steps that can be interrupted and repeated.

A step erases one store of the registry. The same transaction marks it as done, so a killed process leaves no step half done; what a store
does outside the database, such as rewriting files, can be repeated without harm.
"""

import logging
import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from auditlog.context import disable_auditlog
from django.db import Error, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from config.foundation.audit_log import record_action
from config.foundation.database.advisory_locks import AlreadyRunningError, exclusive_lock, is_locked
from config.foundation.job_runs import describe_error
from config.foundation.personal_data.person import Person
from config.foundation.personal_data.registry import list_stores
from config.foundation.personal_data.stores import PersonalDataStore
from config.foundation.personal_data.text_matcher import build_matcher
from customers.erasure.model_flags import flag_models
from customers.erasure.models import ErasedPerson, ErasureRun, ErasureStep
from customers.erasure.preparation import prepare_people, read_people
from customers.erasure.signals import people_erased, people_unrecognized
from customers.identity.erased.blocked_identifiers import list_digests
from customers.identity.models import Customer

logger = logging.getLogger(__name__)

PREPARED_INLINE = 20  # up to this many customers are made unrecognizable before the caller continues
# collectors read the blocked identifiers every second; the repeated steps erase what they store until then
SETTLING = timedelta(seconds=3)
MAX_CUSTOMERS = 10_000


class NobodyToEraseError(ValueError):
    """None of the customers exists, or all were erased before."""


class ErasureTooLargeError(ValueError):
    """More customers than one run erases."""


def erase_customers(customer_ids: Iterable[int], *, requested_by: str, at: datetime | None = None) -> ErasureRun:
    """Start the erasure of customers and return its record; a worker carries it out, `resume_erasures` resumes it.

    Up to twenty customers are not recognized any more when this returns. A customer whose erasure is running already is not erased twice.

    Args:
        requested_by: who asked: a user name, "REST key …" or the number of a privacy request.

    Raises:
        NobodyToEraseError: none of the customers exists.
        ErasureTooLargeError: more than ten thousand at once.
    """
    now = at or timezone.now()
    ids = sorted(set(customer_ids))
    if len(ids) > MAX_CUSTOMERS:
        raise ErasureTooLargeError(_("At most %(max)d customers can be erased at once.") % {"max": MAX_CUSTOMERS})
    with transaction.atomic():
        known = list(Customer.objects.filter(pk__in=ids, erased_at=None).values_list("pk", flat=True))
        if not known:
            running = find_running(ids)
            if running is not None:
                return running
            raise NobodyToEraseError(_("The customer does not exist or has already been erased."))
        run = ErasureRun.objects.create(requested_by=requested_by[:150], customers=len(known))
        record_action(
            "customers.erased", instance=run, details={"customers": len(known), "requested_by": run.requested_by}
        )
        ErasedPerson.objects.bulk_create(ErasedPerson(run=run, customer_id=customer_id) for customer_id in known)
        create_steps(run)
    if len(known) <= PREPARED_INLINE:
        prepare_people(run, at=now)
        run.refresh_from_db()
    transaction.on_commit(lambda: start_worker(run.pk))
    return run


def find_running(customer_ids: Sequence[int]) -> ErasureRun | None:
    """Return the latest run that erases any of these customers."""
    return ErasureRun.objects.filter(people__customer_id__in=customer_ids).order_by("-id").first()


def start_worker(run_id: int) -> None:
    """Hand a run over to a worker; without a broker, the job that resumes runs finds it."""
    from customers.erasure.tasks import run_erasure_steps

    try:
        run_erasure_steps.delay(run_id)
    except Exception as error:  # noqa: BLE001 — every broker has errors of its own, and the run waits in the database
        logger.warning("Erasure %d waits for the next run of its job: %s", run_id, error)


def create_steps(run: ErasureRun) -> None:
    """Record what is to be done, so that the progress can be shown from the beginning."""
    ErasureStep.objects.bulk_create(
        (ErasureStep(run=run, position=position, store=store.key) for position, store in enumerate(list_stores())),
        ignore_conflicts=True,
    )


def name_run_lock(run_id: int) -> str:
    """Return the name of the lock that is held while a run is carried out."""
    return f"erasure.run.{run_id}"


def execute_run(run_id: int) -> ErasureRun:
    """Carry out the steps of a run that are not done yet; return the run. Raises AlreadyRunningError."""
    with exclusive_lock(name_run_lock(run_id)):
        run = ErasureRun.objects.get(pk=run_id)
        if run.is_finished:
            return run
        run.status, run.attempts, run.error = ErasureRun.Status.RUNNING, run.attempts + 1, ""
        run.save(update_fields=["status", "attempts", "error"])
        prepare_people(run, at=timezone.now())
        run.refresh_from_db()
        people = read_people(run)
        create_steps(run)
        announce_unrecognized(run, people)
        errors = [error for store in list_stores() if (error := execute_step(run, store, people))]
        if errors:
            run.status, run.error = ErasureRun.Status.PENDING, "\n".join(errors)
            run.save(update_fields=["status", "error"])
            return run
        repeat_steps(run, people)
        finish_run(run, people)
        return run


def announce_unrecognized(run: ErasureRun, people: Sequence[Person]) -> None:
    """Report who is not recognized any more; a receiver that fails does not stop the steps, and is logged by Django."""
    if people:
        people_unrecognized.send_robust(sender=ErasureRun, **describe_run(run, people), at=timezone.now())


def describe_run(run: ErasureRun, people: Sequence[Person]) -> dict[str, Any]:
    """Return whom a run erases, as the signals name them, and when it became effective."""
    return {
        "effective_at": run.effective_at,
        "customer_ids": sorted({number for person in people for number in person.customer_ids}),
        "hashes": sorted(list_digests(pair for person in people for pair in person.identifiers)),
    }


def execute_step(run: ErasureRun, store: PersonalDataStore, people: Sequence[Person]) -> str:
    """Erase one store unless that is done; return the error, empty if there was none. An error does not stop the other stores."""
    step = ErasureStep.objects.get(run=run, store=store.key)
    if step.status == ErasureStep.Status.DONE:
        return ""
    began = time.perf_counter()
    try:
        # what an erasure deletes must not leave its values in the audit log
        with disable_auditlog(), transaction.atomic():
            step.changed += store.erase(people) if people else 0
            step.status, step.error = ErasureStep.Status.DONE, ""
            step.seconds, step.finished_at = time.perf_counter() - began, timezone.now()
            step.save()
    except Exception as error:
        logger.exception("Erasure %d: the store %s failed", run.pk, store.key)
        # an error may quote personal values
        text = build_matcher(people).mask_text(describe_error(error))
        ErasureStep.objects.filter(pk=step.pk).update(status=ErasureStep.Status.FAILED, error=text)
        return f"{store.key}: {text}"
    return ""


def repeat_steps(run: ErasureRun, people: Sequence[Person]) -> None:
    """Erase again what was being stored when the erasure became effective."""
    assert run.effective_at is not None
    wait = (run.effective_at + SETTLING - timezone.now()).total_seconds()
    if people and 0 < wait <= SETTLING.total_seconds():
        time.sleep(wait)
    for store in list_stores():
        if store.is_repeated and people:
            with transaction.atomic():
                changed = store.erase(people)
                if changed:
                    step = ErasureStep.objects.get(run=run, store=store.key)
                    ErasureStep.objects.filter(pk=step.pk).update(changed=step.changed + changed)


def finish_run(run: ErasureRun, people: Sequence[Person]) -> None:
    """Flag the models that learned from the people, and mark the run as erased."""
    now = timezone.now()
    with transaction.atomic():
        flag_models(run, at=now)
        run.status, run.finished_at = ErasureRun.Status.DONE, now
        run.save(update_fields=["status", "finished_at"])
        # before the commit: a run whose end was not recorded everywhere is resumed, and ends again
        answers = people_erased.send(sender=ErasureRun, **describe_run(run, people), at=now)
        if texts := [answer for _receiver, answer in answers if answer and isinstance(answer, str)]:
            run.error = "\n".join(texts)
            run.save(update_fields=["error"])


def resume_erasures() -> int:
    """Carry out the runs that nobody works on: new ones, failed ones, and those of killed processes; return their number."""
    open_runs = ErasureRun.objects.filter(finished_at=None).order_by("id").values_list("pk", flat=True)
    resumed = 0
    for run_id in open_runs:
        if is_locked(name_run_lock(run_id)):
            continue
        try:
            execute_run(run_id)
        except (AlreadyRunningError, Error, OSError):
            logger.exception("Erasure %d could not be resumed", run_id)
            continue
        resumed += 1
    return resumed
