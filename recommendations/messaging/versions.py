"""Drafts, publishing and restoring of template versions."""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from recommendations.messaging.channels import Channel
from recommendations.messaging.compilation.compiler import ContentSource, find_content_problems
from recommendations.messaging.mjml.problems import SourceError, SourceProblem
from recommendations.messaging.models import MessageTemplate, TemplateContent, TemplateVersion


class PublishError(Exception):
    """A draft that must not be published; `problems` by language."""

    def __init__(self, problems: Mapping[str, list[SourceProblem]]) -> None:
        super().__init__("; ".join(f"{language}: {SourceError(found)}" for language, found in problems.items()))
        self.problems = dict(problems)


def create_template(
    *,
    key: str,
    name: str,
    contents: Mapping[str, ContentSource],
    channel: str = Channel.EMAIL,
    description: str = "",
    is_transactional: bool = False,
    by: str = "",
) -> MessageTemplate:
    """Create a template with a draft of these contents by language."""
    with transaction.atomic():
        template = MessageTemplate.objects.create(
            key=key, name=name, channel=channel, description=description, is_transactional=is_transactional
        )
        for content in contents.values():
            save_content(template=template, content=content, by=by)
    return template


def lock_template(template: MessageTemplate) -> MessageTemplate:
    """Return the template locked, so that its versions change only in the caller's transaction."""
    return MessageTemplate.objects.select_for_update().get(pk=template.pk)


def get_or_create_draft(*, template: MessageTemplate, by: str) -> TemplateVersion:
    """Return the draft of a template; a new one is a copy of the newest version."""
    with transaction.atomic():
        lock_template(template)
        draft = template.versions.filter(published_at__isnull=True).first()
        if draft is not None:
            return draft
        newest = template.versions.order_by("-number").first()
        return _copy_version(template, newest, by)


def _copy_version(template: MessageTemplate, source: TemplateVersion | None, by: str) -> TemplateVersion:
    number = (template.versions.aggregate(largest=Max("number"))["largest"] or 0) + 1
    draft = TemplateVersion.objects.create(template=template, number=number, created_by=by[:150])
    if source is not None:
        TemplateContent.objects.bulk_create(
            TemplateContent(
                version=draft,
                language=content.language,
                subject=content.subject,
                preheader=content.preheader,
                source=content.source,
                text=content.text,
            )
            for content in source.contents.all()
        )
    return draft


def save_content(*, template: MessageTemplate, content: ContentSource, by: str) -> TemplateContent:
    """Store the content of one language in the draft; create the draft if there is none."""
    with transaction.atomic():
        draft = get_or_create_draft(template=template, by=by)
        stored, _created = TemplateContent.objects.update_or_create(
            version=draft,
            language=content.language,
            defaults={
                "subject": content.subject,
                "preheader": content.preheader,
                "source": content.source,
                "text": content.text,
            },
        )
    return stored


def publish_draft(*, template: MessageTemplate, now: datetime) -> TemplateVersion:
    """Publish the draft, after which it never changes. Errors: PublishError with the problems of each language."""
    with transaction.atomic():
        lock_template(template)
        draft = template.versions.prefetch_related("contents").filter(published_at__isnull=True).first()
        if draft is None:
            raise PublishError(
                {"": [SourceProblem(1, 1, _("There are no changes to publish. Edit the template first."))]}
            )
        problems = find_publish_problems(draft)
        if problems:
            raise PublishError(problems)
        draft.published_at = now
        draft.save(update_fields=["published_at"])
    return draft


def find_publish_problems(version: TemplateVersion) -> dict[str, list[SourceProblem]]:
    """Return what prevents publishing, by language."""
    contents = list(version.contents.all())
    if not contents:
        return {"": [SourceProblem(1, 1, _("The template has no content. Write it in at least one language."))]}
    problems = {}
    for content in contents:
        found = _find_content_problems(version.template, content)
        if found:
            problems[content.language] = found
    return problems


def _find_content_problems(template: MessageTemplate, content: TemplateContent) -> list[SourceProblem]:
    if template.channel == Channel.EMAIL and not content.subject.strip():
        return [SourceProblem(1, 1, _("The subject is empty. Write one."))]
    source = ContentSource(content.language, content.source, content.subject, content.preheader, content.text)
    return find_content_problems(source, channel=template.channel, is_transactional=template.is_transactional)


def get_published_version(template: MessageTemplate) -> TemplateVersion | None:
    """Return the newest published version."""
    return template.versions.filter(published_at__isnull=False).order_by("-number").first()


def restore_version(*, version: TemplateVersion, by: str) -> TemplateVersion:
    """Replace the draft by a copy of an earlier version."""
    template = version.template
    with transaction.atomic():
        lock_template(template)
        template.versions.filter(published_at__isnull=True).exclude(pk=version.pk).delete()
        if version.published_at is None:
            return version
        return _copy_version(template, version, by)


def discard_draft(template: MessageTemplate) -> bool:
    """Delete the draft; return whether there was one. A template that was never published keeps its draft."""
    if not template.versions.filter(published_at__isnull=False).exists():
        return False
    return bool(template.versions.filter(published_at__isnull=True).delete()[0])
