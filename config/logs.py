"""Log filters."""

import logging


class DueTaskFilter(logging.Filter):
    """Drops beat's message about each due task: with one every two seconds, it would hide all others."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "Sending due task" not in str(record.msg)
