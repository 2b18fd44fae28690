"""The receipt of a request: what was asked, when and how it ended, without personal data, so that it can be kept after an erasure."""

from typing import Any

from customers.privacy.models import PrivacyRequest


def build_receipt(request: PrivacyRequest) -> dict[str, Any]:
    """Return the receipt, as REST and the download of the request page give it."""
    return {
        "reference": str(request.reference),
        "kind": request.kind,
        "state": request.state,
        "channel": request.channel,
        "regulation": request.regulation,
        "proof": request.proof,
        "received_at": request.received_at,
        "due_at": request.due_at,
        "finished_at": request.finished_at,
        "rejection": request.rejection,
        "result": request.result,
        "steps": [{"step": entry.step, "at": entry.at, "details": entry.details} for entry in request.entries.all()],
    }
