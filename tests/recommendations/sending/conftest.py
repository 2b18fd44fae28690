"""Fixtures of sending: a mail server, and rendering without templates."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.smtp_sink import SmtpSink, run_smtp_sink


@pytest.fixture(autouse=True)
def fake_rendering(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Render without templates; a test can replace the parts."""
    from recommendations.sending import composition
    from recommendations.sending.tracking.links import DeliveryLinks
    from tests.recommendations.sending.fakes import FakeChoices, FakeTemplate, load_fake_recipients

    rendering = SimpleNamespace(
        get_compiled=lambda version_id: FakeTemplate(),
        load_recipients=load_fake_recipients,
        choose=lambda compiled, recipients, *, now, deliveries: {key: FakeChoices() for key in recipients},
    )
    monkeypatch.setattr(composition, "rendering", rendering)
    monkeypatch.setattr(composition, "build_links", lambda *names: DeliveryLinks(*names[:2], "welcome"))
    return rendering


@pytest.fixture(autouse=True)
def own_accounts() -> Iterator[None]:
    """Read the accounts of channels anew in each test."""
    from recommendations.sending.channels.accounts import forget_accounts

    forget_accounts()
    yield
    forget_accounts()


@pytest.fixture
def smtp_sink(settings: Any) -> Iterator[SmtpSink]:
    """Run a mail server that the settings name."""
    from recommendations.sending.channels.email import SMTP_BACKEND

    with run_smtp_sink() as sink:
        settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = SMTP_BACKEND, "127.0.0.1", sink.port
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = settings.DEMO = False
        settings.DEFAULT_FROM_EMAIL = "shop@shop.example"
        settings.PUBLIC_URL = "https://mail.shop.example"
        yield sink
