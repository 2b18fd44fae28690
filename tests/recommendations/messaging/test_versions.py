"""Drafts, published versions, and the ready-made templates."""

import pytest

from recommendations.messaging.compilation.compiler import ContentSource
from recommendations.messaging.models import TemplateVersion
from recommendations.messaging.rendering import get_compiled
from recommendations.messaging.starters import ensure_starter_templates
from recommendations.messaging.versions import (
    PublishError,
    get_or_create_draft,
    get_published_version,
    publish_draft,
    restore_version,
    save_content,
)
from tests.makers import NOON
from tests.recommendations.messaging.makers import get_version, make_source, make_template

pytestmark = pytest.mark.django_db


def test_a_published_version_stays_as_it_is_when_the_template_is_edited() -> None:
    template = make_template(make_source("<mj-text>First</mj-text>"))
    first = get_version(template)
    save_content(
        template=template, content=ContentSource("en", make_source("<mj-text>Second</mj-text>"), "Two"), by="mia"
    )
    assert get_published_version(template) == first
    publish_draft(template=template, now=NOON)
    assert [version.number for version in template.versions.all()] == [2, 1]
    assert "First" in first.contents.get().source


def test_a_draft_with_errors_is_not_published() -> None:
    template = make_template()
    save_content(template=template, content=ContentSource("en", "<mjml></mjml>", "Two"), by="mia")
    with pytest.raises(PublishError) as error:
        publish_draft(template=template, now=NOON)
    assert list(error.value.problems) == ["en"]
    assert TemplateVersion.objects.filter(published_at__isnull=True).count() == 1


def test_restoring_makes_a_draft_of_an_earlier_version() -> None:
    template = make_template(make_source("<mj-text>First</mj-text>"))
    save_content(template=template, content=ContentSource("en", make_source(""), "Two"), by="mia")
    draft = restore_version(version=template.versions.get(number=1), by="mia")
    assert draft.contents.get().source == make_source("<mj-text>First</mj-text>")
    assert get_or_create_draft(template=template, by="mia") == draft


def test_ready_made_templates_are_created_once_in_both_languages() -> None:
    templates = ensure_starter_templates(now=NOON)
    assert ensure_starter_templates().keys() == templates.keys()
    for template in templates.values():
        compiled = get_compiled(get_version(template).pk)
        assert set(compiled.contents) == {"en", "zh-hans"}
    with pytest.raises(ValueError, match="welcome"):
        ensure_starter_templates(["welcme"])


def test_the_language_of_the_customer_is_chosen_before_that_of_the_shop() -> None:
    compiled = get_compiled(get_version(ensure_starter_templates(["welcome"], now=NOON)["welcome"]).pk)
    assert compiled.choose_language("zh-CN") == "zh-hans"
    assert compiled.choose_language("fr") == "en"
