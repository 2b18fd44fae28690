"""Background tasks of erasures."""

import logging

from celery import shared_task

from config.foundation.database.advisory_locks import AlreadyRunningError

logger = logging.getLogger(__name__)


@shared_task
def run_erasure_steps(run_id: int) -> None:
    """Carry out one erasure, as soon as someone has asked for it."""
    from customers.erasure.runner import execute_run

    try:
        execute_run(run_id)
    except AlreadyRunningError:
        logger.info("Erasure %d is being carried out already", run_id)


@shared_task(exclusive=True)
def resume_erasures() -> None:
    """Carry out the remaining steps of erasures."""
    from customers.erasure.runner import resume_erasures as resume

    resume()


@shared_task(exclusive=True)
def prove_erasures() -> None:
    """Search every store for the people who were erased, then forget them."""
    from customers.erasure.proof.verification import prove_runs

    prove_runs()
