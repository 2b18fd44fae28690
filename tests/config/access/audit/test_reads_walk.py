"""Every page, endpoint and export that shows planted personal data leaves one entry in the audit log."""

from types import SimpleNamespace
from typing import Any

from auditlog.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client

from config.access.scopes import KNOWN_SCOPES
from config.foundation.audit_log import EXPORT, READ
from tests.config.access.callers import make_client
from tests.config.access.planted_data import find_secret
from tests.config.access.test_personal_data_walk import (  # noqa: F401 — two of them are fixtures
    PLANTED_ROWS_OF_ROLES,
    Walk,
    list_api_addresses,
    planted_audience,
    read_body,
    shop,
    walk_everything,
)


class AuditedWalk(Walk):
    """Opens addresses as a caller who may see personal data, and collects what the audit log does not tell."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.unrecorded: dict[str, str] = {}
        self.repeated: dict[str, int] = {}
        self.last_pk = self.find_last_pk()

    @staticmethod
    def find_last_pk() -> int:
        return LogEntry.objects.latest("pk").pk

    def check(self, address: str, response: Any) -> None:
        entries = LogEntry.objects.filter(pk__gt=self.last_pk, additional_data__event__in=[READ, EXPORT]).count()
        self.last_pk = self.find_last_pk()
        self.statuses[address] = response.status_code
        if response.status_code == 200 and (secret := find_secret(read_body(response))):
            self.leaks[address] = secret
            if not entries:
                self.unrecorded[address] = secret
        if entries > 1:
            self.repeated[address] = entries


def test_every_page_that_shows_personal_data_is_recorded_once(shop: SimpleNamespace) -> None:  # noqa: F811
    client = Client()
    client.force_login(User.objects.create_superuser("reader"))
    walk = AuditedWalk(client)
    walk_everything(walk, shop, planted_rows=PLANTED_ROWS_OF_ROLES)
    assert "\n".join(walk.unrecorded) == ""
    assert "\n".join(walk.repeated) == ""
    assert len(walk.leaks) >= 30


def test_every_endpoint_that_shows_personal_data_is_recorded_once(shop: SimpleNamespace) -> None:  # noqa: F811
    walk = AuditedWalk(make_client(*KNOWN_SCOPES))
    for address in list_api_addresses(shop):
        walk.open(address)
    assert "\n".join(walk.unrecorded) == ""
    assert "\n".join(walk.repeated) == ""
    assert len(walk.leaks) >= 10
    assert LogEntry.objects.latest("pk").additional_data["actor"]["kind"] == "api_key"
