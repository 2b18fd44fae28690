"""Which data a result is based on: equal versions mean equal results, on the same day."""

from datetime import datetime

from django.db import connection

from config.foundation.shop.profile import get_time_zone, get_time_zone_name

# each changes with what can change a result: an export, appended events, new orders and changes of them,
# merged, split and erased customers, feedback
READ_VERSION = """
SELECT (SELECT max(id) FROM warehouse_exportrun WHERE finished_at IS NOT NULL AND error = ''),
    (SELECT number FROM warehouse_appendmark WHERE "table" = 'events'),
    hashtext(format('%s %s %s', (SELECT max(id) FROM orders_order), (SELECT max(id) FROM orders_orderevent),
                    (SELECT max(id) FROM orders_orderchange))),
    (SELECT max(id) FROM identity_identitymerge),
    (SELECT count(*) FROM identity_identitymerge WHERE reverted_at IS NOT NULL),
    (SELECT count(*) FROM identity_customer WHERE erased_at IS NOT NULL),
    hashtext(concat_ws(' ', (SELECT max(id) FROM feedback_review), (SELECT max(scored_at) FROM feedback_review),
                       (SELECT max(id) FROM feedback_surveyanswer)))
"""


def read_data_version(*, now: datetime) -> str:
    """Return the version of the data, including the day and the time zone, on which periods depend."""
    with connection.cursor() as cursor:
        cursor.execute(READ_VERSION)
        numbers = cursor.fetchone()
    day = now.astimezone(get_time_zone()).date()
    return ".".join(str(number or 0) for number in numbers) + f" {day} {get_time_zone_name()}"
