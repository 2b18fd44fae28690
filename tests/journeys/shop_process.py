"""A process of the journey's shop: it prepares what has no REST endpoint, describes a person, and searches every store for them.

Run as ``python -m tests.journeys.shop_process``.
"""

from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.journeys.command_process import serve_commands

if TYPE_CHECKING:
    from config.foundation.personal_data.person import Person

KNOWN: dict[str, "Person"] = {}


def prepare() -> dict[str, str]:
    """Create a key with all scopes and a source; let erasures begin immediately."""
    from django.utils import timezone

    from config.access.keys import create_api_key
    from config.access.models import ApiKey
    from config.access.scopes import KNOWN_SCOPES
    from customers.events.models import Source
    from customers.events.sources.write_keys import rotate_write_key
    from customers.privacy.models import PrivacySettings
    from recommendations.serving.models import PlacementSettings

    now = timezone.now()
    _key, plain = create_api_key(name="shop", kind=ApiKey.Kind.SECRET, scopes=sorted(KNOWN_SCOPES), now=now)
    source = Source.objects.create(key="web", name="web", kind=Source.Kind.SERVER)
    PrivacySettings.objects.update_or_create(pk=1, defaults={"erasure_grace_days": 0})
    # everyone has bought all products of their taste already
    PlacementSettings.objects.filter(placement="for-you").update(max_purchased_share=1.0)
    return {"api": plain, "write": rotate_write_key(source_id=source.pk, now=now, overlap=timedelta(0))}


def upload(path: str) -> int:
    """Upload a file of customers as the import pages do, check it, and return the number of the import, which a worker can run."""
    from django.core.files import File
    from django.utils import timezone

    from customers.imports import runs
    from customers.imports.kinds.customers import CUSTOMERS
    from customers.imports.models import ImportState

    with Path(path).open("rb") as opened:
        file: Any = File(opened, name=Path(path).name)
        run = runs.create_run(kind=CUSTOMERS, file=file, source="shop", user=None, at=timezone.now())
    runs.begin(run, ImportState.CHECKING, allowed=(ImportState.UPLOADED,))
    run = runs.check_run(run_id=run.pk, at=timezone.now())
    assert runs.begin(run, ImportState.IMPORTING, allowed=(ImportState.CHECKED,)), (run.state, run.error)
    return int(run.pk)


def train() -> None:
    """Train the first model and promote it, as the nightly training does, with the same result however busy the machine is."""
    from django.conf import settings
    from django.utils import timezone

    from customers.warehouse.export import export_warehouse
    from tests.recommendations.trainings import train_reproducibly

    settings.TRAINING_SECONDS = 2
    now = timezone.now()
    export_warehouse(started_at=now)
    train_reproducibly(as_of=now)


def describe(user_id: str) -> dict[str, Any]:
    """Remember everything that leads to a customer; return the texts, and the stores in which they are found."""
    from customers.erasure.people import describe_person
    from customers.erasure.proof.verification import search_everything
    from customers.identity.models import Customer, Identifier

    customer = Customer.objects.get(pk=Identifier.objects.get(kind="user_id", value=user_id).customer_id)
    KNOWN["person"] = person = describe_person(customer)
    stores = sorted({finding.store for finding in search_everything([person]).findings})
    return {"id": customer.pk, "search_terms": person.search_terms, "stores": stores}


def search() -> dict[str, Any]:
    """Search every file, key, queue and column for the person."""
    from customers.erasure.proof.verification import search_everything

    report = search_everything([KNOWN["person"]])
    findings = [f"{finding.location} by {finding.recognized_by}" for finding in report.findings]
    return {"findings": findings, "files": report.files, "keys": report.keys, "tables": report.tables}


def verify(customer_id: int) -> str:
    """Run the command by which an operator proves the erasure."""
    from django.core.management import call_command

    output = StringIO()
    call_command("verify_erasure", str(customer_id), stdout=output)
    return output.getvalue()


if __name__ == "__main__":
    serve_commands([prepare, upload, train, describe, search, verify])
