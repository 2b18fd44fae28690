"""Scheduled tasks of feedback."""

from celery import shared_task
from django.utils import timezone

from customers.feedback.sentiment_scoring import refresh_sentiment


@shared_task(exclusive=True)
def score_new_reviews() -> str:
    """Learn the sentiment of reviews from their stars when there are enough, and score new reviews; return what was done."""
    result = refresh_sentiment(now=timezone.now())
    return f"scored {result.scored}, trained {', '.join(result.trained) or 'nothing'}"
