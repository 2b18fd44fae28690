"""Reviews, imported by ``customers.feedback.review_import``."""

from typing import Any

from django.utils.translation import gettext_lazy

from customers.feedback.review_import import import_reviews
from customers.feedback.reviews import FIELDS
from customers.imports.kinds.base import (
    LATER_CHANGES,
    PROFILES_FOLLOW,
    ImportField,
    ImportKind,
    ImportOutcome,
    ImportPreset,
    ImportTask,
)
from customers.imports.kinds.outcomes import build_outcome, translate_file_errors

# field → label, type of its values, and common names of its column
SPECS: dict[str, tuple[Any, str, tuple[str, ...]]] = {
    "review_id": (gettext_lazy("Review ID"), "id", ("id", "评价编号")),
    "product_id": (gettext_lazy("Product ID"), "id", ("sku", "product", "product sku", "商品编号", "货号")),
    "user_id": (gettext_lazy("Customer ID"), "id", ("customer", "author id", "客户编号", "用户id")),
    "rating": (gettext_lazy("Rating"), "rating", ("stars", "score", "评分", "星级")),
    "title": (gettext_lazy("Title"), "text", ("review title", "headline", "subject", "标题")),
    "body": (gettext_lazy("Text"), "text", ("review", "content", "comment", "review body", "评价内容", "内容")),
    "language": (gettext_lazy("Language"), "text", ("locale", "lang", "语言")),
    "written_at": (gettext_lazy("Written at"), "date", ("date", "created at", "review date", "评价时间", "日期")),
}


def import_review_file(task: ImportTask) -> ImportOutcome:
    """Import or check a file of reviews; a second import of a row changes nothing."""
    with translate_file_errors(task):
        result = import_reviews(
            path=task.path,
            mapping={name: columns[0] for name, columns in task.run.mapping.items()},
            received_at=task.at,
            is_complete_mapping=True,
            encoding=task.run.options.get("encoding") or None,
            dry_run=task.dry_run,
            progress=task.progress,
        )
    return build_outcome(result)


REVIEWS = ImportKind(
    key="reviews",
    label=gettext_lazy("Reviews"),
    icon="star",
    description=gettext_lazy("Ratings and reviews of products."),
    file_help=gettext_lazy(
        "CSV, TSV or JSON Lines, optionally gzipped, with one row per review. Import the products first."
    ),
    created_label=gettext_lazy("New reviews"),
    updated_label=gettext_lazy("Changed reviews"),
    unchanged_label=gettext_lazy("Unchanged reviews"),
    permissions=("feedback.add_review", "feedback.change_review"),
    import_file=import_review_file,
    main_table="feedback_review",
    fields={
        name: ImportField(label=label, type=kind, is_required=name in ("product_id", "rating"), names=names)
        for name, (label, kind, names) in SPECS.items()
    },
    presets={
        "native": ImportPreset(
            key="native", label=gettext_lazy("Perennial"), columns={name: (name,) for name in FIELDS}
        )
    },
    describes_people=True,
    counts_changes=True,
    undo_removes=(gettext_lazy("Reviews that this import created. Changed reviews get their earlier text back."),),
    undo_keeps=(
        LATER_CHANGES,
        PROFILES_FOLLOW,
    ),
)
