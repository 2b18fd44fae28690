"""The scheduled tasks of merchandising."""

from celery import shared_task
from django.utils import timezone

from recommendations.merchandising.segment_members import member_writer


@shared_task(exclusive=True, quiet=True)
def write_segment_members() -> None:
    """Write the members of the segments that enabled rules name."""
    member_writer.refresh_segment_members(as_of=timezone.now())
