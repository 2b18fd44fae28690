"""How a consent was given or withdrawn: what an entry of the ledger must be able to show later."""

import hmac
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from config.foundation.keys.hash_keys import derive_key, get_hash_key

MAX_WORDING = 500
KIND_LABELS: dict[str, str | Promise] = {
    "form": _("Form"),
    "event": _("Event"),
    "message": _("Link in a message"),
    "page": _("Preference center"),
    "api": _("API"),
    "import": _("Import"),
    "staff": _("Back office"),
}


@dataclass(frozen=True)
class ConsentProof:
    """The proof of one entry.

    kind: form, event, message, page, api, import or staff. reference: the form, the message ID of the event, or the delivery. wording:
    the text that was shown, or its version. address: a keyed hash of the network address, which shows that two entries came from the
    same one and nothing else.
    """

    kind: str
    reference: str = ""
    wording: str = ""
    address: str = ""

    def to_json(self) -> dict[str, Any]:
        return {name: value[:MAX_WORDING] for name, value in asdict(self).items() if value}


def hash_address(address: str) -> str:
    """Return the keyed hash of a network address."""
    key = derive_key(get_hash_key(), "network addresses of consents")
    return hmac.new(key, address.encode(), sha256).hexdigest()[:32] if address else ""


def describe_proof(proof: Mapping[str, Any]) -> str:
    """Return a proof as one line: how, which form or message, and the wording shown; the hash of the address is left out."""
    kind = str(proof.get("kind", ""))
    parts = [str(KIND_LABELS.get(kind, kind)), str(proof.get("reference", "")), str(proof.get("wording", ""))]
    return " · ".join(part for part in parts if part)
