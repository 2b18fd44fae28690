from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import Field, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.admin import ModelAdmin
from unfold.decorators import display

from recommendations.merchandising.backoffice import pages
from recommendations.merchandising.backoffice.forms import RuleForm
from recommendations.merchandising.backoffice.overview import RuleStanding, standings
from recommendations.merchandising.backoffice.rule_labels import in_words
from recommendations.merchandising.choices import Place
from recommendations.merchandising.models import Rule
from recommendations.merchandising.rules.editing import save_rule, switch_rules
from recommendations.merchandising.tasks import write_segment_members


class PlaceFilter(admin.SimpleListFilter):
    """Rules that hold in a place: those that name it, and those that hold everywhere."""

    title = gettext_lazy("where")
    parameter_name = "place"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(Place.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Rule]) -> QuerySet[Rule]:
        if self.value() not in Place.values:
            return queryset
        return queryset.filter(scenarios__contains=[self.value()]) | queryset.filter(scenarios=[])


@admin.register(Rule)
class RuleAdmin(ModelAdmin):
    form = RuleForm
    change_form_template = "admin/merchandising/rule/change_form.html"
    list_display = (
        "name",
        "what",
        "shown_products",
        "shown_state",
        "priority",
        "at_odds",
        "switch",
    )
    list_filter = ("enabled", "action", PlaceFilter, ("segment", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("segment",)
    list_per_page = 50
    search_fields = ("name", "brand", "category", "tag", "product_ids")
    search_help_text = gettext_lazy("Search by name, brand, category, tag or product id.")
    autocomplete_fields = ("segment",)
    readonly_fields = ("created_at", "updated_at")
    show_full_result_count = False
    compressed_fields = True
    actions = ("switch_on", "switch_off")
    conditional_fields = {"position": "action == 'pin'", "factor": "action == 'boost' || action == 'bury'"}
    fieldsets = (
        (None, {"fields": ("name", ("enabled", "priority"), "action", "position", "factor", "scenarios")}),
        (
            gettext_lazy("Which products: all that is given must hold"),
            {
                "fields": (
                    "category",
                    "brand",
                    "product_ids",
                    ("attribute_name", "attribute_value"),
                    "tag",
                    ("price_from", "price_to"),
                    ("margin_from", "margin_to"),
                    ("stock_from", "stock_to"),
                    "new_within_days",
                )
            },
        ),
        (gettext_lazy("For whom and when"), {"fields": ("segment", ("starts_at", "ends_at"), "weekdays")}),
        (gettext_lazy("History"), {"fields": (("created_at", "updated_at"),)}),
    )

    class Media:
        css = {"all": ["merchandising/rules.css"]}
        js = ["merchandising/rule-form.js"]

    def get_fieldsets(self, request: HttpRequest, obj: Rule | None = None) -> Any:
        return self.fieldsets if obj else self.fieldsets[:-1]

    def formfield_for_dbfield(self, db_field: Field, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name in pages.SUGGESTED and field is not None:
            field.widget.attrs["data-suggest"] = pages.SUGGESTED[db_field.name]
        return field

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:rule_id>/switch/", wrap(self.switch_one), name="merchandising_rule_switch"),
            *super().get_urls(),
        ]

    def switch_one(self, request: HttpRequest, rule_id: int) -> HttpResponse:
        return pages.switch(request, model_admin=self, rule_id=rule_id)

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Every rule of the page with its standing, worked out for all at once."""
        changelist = super().get_changelist_instance(request)
        rules = list(changelist.result_list)
        for rule, standing in zip(rules, standings(rules=rules, now=timezone.now()), strict=True):
            rule.standing = standing
            rule.may_switch = self.has_change_permission(request, rule)
        changelist.result_list = rules
        return changelist

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        context = pages.rule_context(request, model_admin=self, object_id=object_id)
        return super().changeform_view(request, object_id, form_url, {**(extra_context or {}), **context})

    def save_model(self, request: HttpRequest, obj: Rule, form: RuleForm, change: bool) -> None:
        save_rule(rule=obj, write_members=write_segment_members.delay)
        [standing] = standings(rules=[obj], now=timezone.now())
        for text in (*standing.warnings, *(conflict.text for conflict in standing.conflicts)):
            messages.warning(request, text)

    @admin.action(description=gettext_lazy("Switch on"), permissions=["change"])
    def switch_on(self, request: HttpRequest, chosen: QuerySet[Rule]) -> None:
        self.switch_many(request, chosen, enabled=True)

    @admin.action(description=gettext_lazy("Switch off"), permissions=["change"])
    def switch_off(self, request: HttpRequest, chosen: QuerySet[Rule]) -> None:
        self.switch_many(request, chosen, enabled=False)

    def switch_many(self, request: HttpRequest, chosen: QuerySet[Rule], *, enabled: bool) -> None:
        changed = switch_rules(rules=list(chosen), enabled=enabled, write_members=write_segment_members.delay)
        text = ngettext("%(count)d rule was switched.", "%(count)d rules were switched.", changed)
        messages.success(request, text % {"count": changed})

    @display(description=gettext_lazy("what it does"))
    def what(self, rule: Rule) -> SafeString:
        return format_html('<span class="rule-words">{}</span>', in_words(rule))

    @display(description=gettext_lazy("products now"))
    def shown_products(self, rule: Rule) -> str:
        return number_format(standing(rule).products, force_grouping=True)

    @display(
        description=gettext_lazy("state"),
        label={"on": "success", "waiting": "info", "over": "warning", "off": "danger"},
    )
    def shown_state(self, rule: Rule) -> tuple[str, Any]:
        return standing(rule).state, pages.STATES[standing(rule).state]

    @display(description=gettext_lazy("notes"))
    def at_odds(self, rule: Rule) -> str | SafeString:
        texts = [(conflict.text,) for conflict in standing(rule).conflicts] + [
            (text,) for text in standing(rule).warnings
        ]
        if not texts:
            return "–"
        summary = ngettext("%(count)d note", "%(count)d notes", len(texts)) % {"count": len(texts)}
        items = format_html_join("", "<li>{}</li>", texts)
        return format_html('<details class="rule-notes"><summary>{}</summary><ul>{}</ul></details>', summary, items)

    @display(description="")
    def switch(self, rule: Rule) -> str | SafeString:
        if not rule.may_switch:  # type: ignore[attr-defined]
            return ""
        # a button of the list's own form, which is posted with its token
        return format_html(
            '<button type="submit" class="rule-switch" formmethod="post" formaction="{}">{}</button>',
            reverse("admin:merchandising_rule_switch", args=[rule.pk]),
            _("Switch off") if rule.enabled else _("Switch on"),
        )


def standing(rule: Rule) -> RuleStanding:
    return rule.standing  # type: ignore[attr-defined]
