"""Scheduled tasks of orders."""

from celery import shared_task

from customers.orders import draft_lines


@shared_task(exclusive=True)
def move_lines_of_drafts() -> int:
    """Move order lines to products that have become known, every hour."""
    return draft_lines.move_lines_of_drafts()
