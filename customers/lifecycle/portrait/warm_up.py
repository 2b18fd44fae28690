"""Computes one customer's page in advance, so that no user waits for kernels to be compiled or loaded."""

import logging

from django.db import connection
from django.utils import timezone

from customers.lifecycle.clv.active_history import compute_active_history
from customers.lifecycle.models import CustomerProfile
from customers.lifecycle.portrait.customer_profile import build_customer_profile
from customers.lifecycle.refresh.score_models import load_latest_score_models

logger = logging.getLogger(__name__)


def warm_up_customer_pages() -> None:
    """Compute the profile, the gaps and the predictions of a customer with orders; record nothing. Without such a customer, do nothing."""
    customer_id = CustomerProfile.objects.filter(orders__gte=2).values_list("customer_id", flat=True).first()
    if customer_id is None:
        return
    now, score_models = timezone.now(), load_latest_score_models()
    build_customer_profile(customer_id=customer_id, score_models=score_models, as_of=now, with_reasons=True)
    compute_active_history(customer_id=customer_id, as_of=now, score_models=score_models)


def try_warm_up() -> None:
    """Call `warm_up_customer_pages`, as a thread of its own; only log a failure, because the pages may still open."""
    try:
        warm_up_customer_pages()
    except Exception:
        logger.exception("The first customer page after the start may be slow: the warm-up failed")
    finally:
        connection.close()
