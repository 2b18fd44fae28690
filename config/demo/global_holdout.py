"""The global holdout group of the demo: a fifth of the customers has received no marketing since the start of a month, four months ago.

The product's own assignment decides who is held out, so campaigns and flows of the demo reach only the others, and the incremental
lift of marketing is measured from their orders. A fifth is more than shops usually hold out: with 2,500 customers, fewer would show nothing.
"""

from datetime import datetime
from decimal import Decimal

from django.db import transaction

from config.foundation.shop.profile import get_time_zone
from recommendations.sending.global_holdout.measuring import measure_months
from recommendations.sending.models import GlobalHoldoutChange
from recommendations.sending.settings_model import load_sending_settings, record_holdout_change

SHARE = Decimal("0.2")
SALT = "demo-global-holdout"
MONTHS = 4  # whole ones before the current month


def find_holdout_start(loaded_at: datetime) -> datetime:
    """Return the first moment of the first month."""
    today = loaded_at.astimezone(get_time_zone())
    month = today.year * 12 + today.month - 1 - MONTHS
    return datetime(month // 12, month % 12 + 1, 1, tzinfo=get_time_zone())


def begin_global_holdout(*, loaded_at: datetime) -> bool:
    """Hold customers out since the first month, unless the shop has or had a holdout group; return whether it is new."""
    if GlobalHoldoutChange.objects.exists():
        return False
    with transaction.atomic():
        # dated before the settings are saved, which would date the group to now
        record_holdout_change(share=SHARE, salt=SALT, at=find_holdout_start(loaded_at))
        settings = load_sending_settings()
        settings.global_holdout_share, settings.global_holdout_salt = SHARE, SALT
        settings.save()
    return True


def measure_global_holdout(*, loaded_at: datetime) -> int:
    """Measure the effect of marketing, as the nightly job does; return the number of months."""
    return measure_months(as_of=loaded_at, everything=True)
