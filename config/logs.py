"""Formatters and filters of the log. Both formats mask personal data and name the request, task, job, event or message of a line."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from config.foundation.processes.log_context import get_log_context

# fields of a record that callers pass as `extra` and that both formats show
EXTRA_FIELDS = ("request_id", "task_id", "job", "event_id", "message_id", "delivery_id", "seconds")
WORKER_LOGGER = "celery.apps.worker"  # logs that a worker is ready, or that it stops


class DueTaskFilter(logging.Filter):
    """Drops beat's message about each due task: with one every two seconds, it would hide all others."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "Sending due task" not in str(record.msg)


def mask_log_text(text: str) -> str:
    """Return a text with personal data masked by the policy of all pages and exports, line by line."""
    # the log is configured before the apps are loaded
    from customers.identity.personal_data.masking import EMAIL, MASK, PHONE
    from customers.identity.personal_data.personal_texts import hide_personal_text

    return "\n".join(hide_personal_text(PHONE.sub(MASK, EMAIL.sub(MASK, line))) for line in text.split("\n"))


def format_message(record: logging.LogRecord) -> str:
    """Return the masked message of a record; the names of workers, such as worker@host, only look like addresses."""
    message = record.getMessage()
    return message if record.name == WORKER_LOGGER else mask_log_text(message)


def collect_fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return what a line belongs to: the context of its thread, and what its caller passed."""
    fields: dict[str, Any] = dict(get_log_context())
    fields |= {name: record.__dict__[name] for name in EXTRA_FIELDS if name in record.__dict__}
    return fields


class LineFormatter(logging.Formatter):
    """One line for people: time, level, logger, message, and the context in brackets."""

    def format(self, record: logging.LogRecord) -> str:
        fields = collect_fields(record)
        context = " ".join(f"{name}={value}" for name, value in fields.items())
        line = f"{self.formatTime(record)} {record.levelname} {record.name} {format_message(record)}"
        if context:
            line += f" [{context}]"
        if record.exc_info:
            line += "\n" + mask_log_text(self.formatException(record.exc_info))
        return line


class JsonFormatter(logging.Formatter):
    """One JSON object per line for log collectors: time, level, logger, message, context and the traceback of an error."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": format_message(record),
            "process": record.process,
            **collect_fields(record),
        }
        if record.exc_info:
            entry["error"] = record.exc_info[0].__name__ if record.exc_info[0] else ""
            entry["traceback"] = mask_log_text(self.formatException(record.exc_info))
        return json.dumps(entry, ensure_ascii=False, default=str)
