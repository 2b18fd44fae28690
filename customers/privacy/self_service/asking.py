"""Takes an email address and sends a link to it. The answer never depends on whether the address is known."""

from datetime import datetime

from config.foundation.processes.background_tasks import start_task
from customers.identity.personal_data.hashing import hash_email
from customers.identity.resolution.blocklist import is_blocked_email
from customers.privacy.self_service.limits import is_email_limited
from customers.privacy.self_service.links import DATA, AccessLink, make_token
from customers.privacy.tasks import send_access_link


def ask_for_link(*, email: str, language: str, now: datetime) -> bool:
    """Queue the mail, unless the address is a placeholder or has already received too many; return False if the queue does not respond."""
    if is_blocked_email(email) or is_email_limited(hash_email(email), seconds=now.timestamp()):
        return True
    link = AccessLink(purpose=DATA, language=language, issued_at=now, email=email)
    return start_task(send_access_link, make_token(link))
