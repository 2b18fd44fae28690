"""Moderation: reviews are hidden or published, and answered in public. Every change is in the audit log."""

from collections.abc import Sequence
from datetime import datetime

from config.foundation.audit_log import record_action
from customers.feedback.models import Review

MAX_REPLY_LENGTH = 5_000


def publish_reviews(*, ids: Sequence[int], is_published: bool) -> int:
    """Publish or hide reviews; return how many changed."""
    changed = list(
        Review.objects.filter(pk__in=ids).exclude(is_published=is_published).order_by("pk").values_list("pk", flat=True)
    )
    Review.objects.filter(pk__in=changed).update(is_published=is_published)
    if changed:
        event = "reviews.published" if is_published else "reviews.hidden"
        record_action(event, model=Review, details={"reviews": changed[:100], "count": len(changed)})
    return len(changed)


def moderate_review(*, review: Review, is_published: bool, reply: str, now: datetime) -> bool:
    """Set whether a review is published, and its reply; return whether anything changed."""
    reply = reply.replace("\x00", "").strip()[:MAX_REPLY_LENGTH]
    stored = Review.objects.only("is_published", "reply").get(pk=review.pk)
    if (stored.is_published, stored.reply) == (is_published, reply):
        return False
    if stored.reply != reply:
        review.replied_at = now if reply else None
        record_action("review.replied" if reply else "review.reply_removed", instance=review)
    if stored.is_published != is_published:
        record_action("review.published" if is_published else "review.hidden", instance=review)
    review.is_published, review.reply = is_published, reply
    review.save(update_fields=["is_published", "reply", "replied_at"])
    return True
