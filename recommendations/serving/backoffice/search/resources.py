"""Import and export of synonyms with django-import-export."""

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone
from import_export import fields, resources, widgets
from import_export.instance_loaders import BaseInstanceLoader
from tablib import Dataset

from recommendations.serving.search.models import Synonym

TERM_SEPARATOR = "|"
COLUMNS = ("terms", "replacements", "language", "enabled")


class TermsWidget(widgets.Widget):
    """Terms separated by |."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> list[str]:
        return list(dict.fromkeys(part.strip() for part in str(value or "").split(TERM_SEPARATOR) if part.strip()))

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return TERM_SEPARATOR.join(value or [])


class SynonymLoader(BaseInstanceLoader):
    """All synonyms by terms and language, read at once."""

    def __init__(self, resource: Any, dataset: Dataset | None = None) -> None:
        super().__init__(resource, dataset)
        synonyms: Iterable[Synonym] = self.get_queryset()
        self.known = {(tuple(synonym.terms), synonym.language): synonym for synonym in synonyms}

    def get_queryset(self) -> Any:
        return self.resource.get_queryset()

    def get_instance(self, row: Any) -> Synonym | None:
        terms = self.resource.fields["terms"].clean(row)
        return self.known.get((tuple(terms), str(row.get("language") or "").strip()))


class SynonymResource(resources.ModelResource):
    """One row per synonym, identified by terms and language; written in bulk."""

    terms = fields.Field(attribute="terms", column_name="terms", widget=TermsWidget(), default=list)
    replacements = fields.Field(
        attribute="replacements", column_name="replacements", widget=TermsWidget(), default=list
    )

    class Meta:
        model = Synonym
        fields = COLUMNS
        export_order = COLUMNS
        import_id_fields = ("terms", "language")
        instance_loader_class = SynonymLoader
        use_bulk = True
        batch_size = 1000
        skip_unchanged = True
        report_skipped = False
        use_transactions = True

    def validate_instance(
        self, instance: Synonym, import_validation_errors: dict[str, Any] | None = None, validate_unique: bool = True
    ) -> None:
        """Apply the rules of the form.

        Constraints of the database would need a query per row, and `clean` checks the same.
        """
        errors = dict(import_validation_errors or {})
        try:
            instance.clean_fields(exclude={"id", *errors})
            instance.clean()
        except ValidationError as error:
            errors = error.update_error_dict(errors)
        if errors:
            raise ValidationError(errors)

    def before_save_instance(self, instance: Synonym, row: Any, **kwargs: Any) -> None:
        # a bulk update does not set auto_now fields
        instance.updated_at = timezone.now()

    def get_bulk_update_fields(self) -> list[str]:
        return [*super().get_bulk_update_fields(), "updated_at"]
