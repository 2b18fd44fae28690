"""Deletes coupon pools that no customer and no message needs."""

from django.db import transaction
from django.db.models import OuterRef, Q, Subquery
from django.utils.translation import gettext as _

from config.foundation.number_formats import join_list
from recommendations.messaging.checks import find_pool_keys
from recommendations.messaging.models import CouponPool, MessageTemplate, TemplateContent, TemplateVersion


class PoolInUseError(Exception):
    """A pool cannot be deleted; the message says why."""


def delete_pool(pool_id: int) -> None:
    """Delete a pool and its codes. Errors: CouponPool.DoesNotExist; PoolInUseError: nothing was deleted."""
    with transaction.atomic():
        pool = CouponPool.objects.select_for_update().get(pk=pool_id)  # claims of codes change the pool, too
        if pool.claimed_count:
            raise PoolInUseError(
                _("Codes of this pool were handed out, so it cannot be deleted. To stop its use, set an expiry date.")
            )
        if templates := find_templates(pool.key):
            raise PoolInUseError(
                _("The pool is used by %(templates)s. Remove its coupon there, or archive the template.")
                % {"templates": join_list(template.name for template in templates)}
            )
        pool.delete()


def find_templates(pool_key: str) -> list[MessageTemplate]:
    """Return the templates whose draft or last published version shows codes of a pool; archived ones are left out."""
    last_published = (
        TemplateVersion.objects.filter(template=OuterRef("version__template"), published_at__isnull=False)
        .order_by("-number")
        .values("pk")[:1]
    )
    contents = TemplateContent.objects.filter(
        Q(source__contains=pool_key)
        | Q(subject__contains=pool_key)
        | Q(preheader__contains=pool_key)
        | Q(text__contains=pool_key),
        Q(version__published_at=None) | Q(version=Subquery(last_published)),
        version__template__archived_at=None,
    ).select_related("version__template")
    using = {content.version.template for content in contents if pool_key in find_pool_keys(content)}
    return sorted(using, key=lambda template: (template.name, template.pk))
