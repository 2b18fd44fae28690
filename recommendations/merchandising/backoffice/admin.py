from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import flatten
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
from unfold.decorators import display

from config.foundation.admin.model_admin import ModelAdmin
from config.foundation.backoffice.shared_editing import OPENED_STATE_TEMPLATE
from recommendations.merchandising.backoffice import pages
from recommendations.merchandising.backoffice.forms import RuleForm
from recommendations.merchandising.backoffice.overview import RuleOverview, build_overviews, find_product_titles
from recommendations.merchandising.backoffice.rule_labels import describe_rule, join_names
from recommendations.merchandising.choices import RuleAction, RulePlacement
from recommendations.merchandising.models import Rule
from recommendations.merchandising.rules.editing import save_rule, switch_rules
from recommendations.merchandising.tasks import write_segment_members


class PlacementFilter(admin.SimpleListFilter):
    """Rules that apply in a placement: those limited to it, and those for all placements."""

    title = gettext_lazy("placement")
    parameter_name = "placement"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(RulePlacement.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Rule]) -> QuerySet[Rule]:
        if self.value() not in RulePlacement.values:
            return queryset
        return queryset.filter(scenarios__contains=[self.value()]) | queryset.filter(scenarios=[])


@admin.register(Rule)
class RuleAdmin(ModelAdmin):
    form = RuleForm
    change_form_before_template = OPENED_STATE_TEMPLATE
    change_form_template = "admin/merchandising/rule/change_form.html"
    list_display = (
        "name",
        "effect",
        "matching_products",
        "state_badge",
        "priority",
        "notes",
        "switch_button",
    )
    list_filter = ("enabled", "action", PlacementFilter, ("segment", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("segment",)
    list_per_page = 50
    search_fields = ("name", "brand", "category", "tag", "product_ids")
    search_help_text = gettext_lazy("Search by name, brand, category, tag or product ID.")
    autocomplete_fields = ("segment",)
    readonly_fields = ("created_at", "updated_at")
    show_full_result_count = False
    compressed_fields = True
    actions = ("switch_on", "switch_off")
    conditional_fields = {"position": "action == 'pin'", "factor": "action == 'boost' || action == 'bury'"}
    fieldsets = (
        (None, {"fields": ("name", ("enabled", "priority"), "action", "position", "factor", "scenarios")}),
        (
            gettext_lazy("Products (must match all conditions)"),
            {
                "fields": (
                    "product_ids",
                    "category",
                    "brand",
                )
            },
        ),
        (
            gettext_lazy("More conditions on products"),
            {
                "fields": (
                    ("attribute_name", "attribute_value"),
                    "tag",
                    ("price_from", "price_to"),
                    ("margin_from", "margin_to"),
                    ("stock_from", "stock_to"),
                    "new_within_days",
                )
            },
        ),
        (gettext_lazy("Audience and schedule"), {"fields": ("segment", ("starts_at", "ends_at"), "weekdays")}),
        (gettext_lazy("History"), {"fields": (("created_at", "updated_at"),)}),
    )

    class Media:
        css = {"all": ["merchandising/rules.css"]}
        js = ["merchandising/rule-form.js"]

    def get_fieldsets(self, request: HttpRequest, obj: Rule | None = None) -> Any:
        """Fold the sections that few rules need, unless the rule uses one of their fields."""
        sections = [(title, dict(section)) for title, section in (self.fieldsets if obj else self.fieldsets[:-1])]
        for title, section in sections:
            names = flatten(section["fields"])
            if title is not None and "product_ids" not in names and not any(getattr(obj, name, None) for name in names):
                section["classes"] = ("collapse",)
        return sections

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Return the values of a link such as “Pin a product”; lists are separated by commas."""
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        for name in ("scenarios", "weekdays"):
            if name in initial:
                initial[name] = initial[name].split(",")
        if "product_ids" in initial:
            initial["product_ids"] = request.GET.getlist("product_ids")
        if initial.get("action") == RuleAction.PIN and "name" not in initial:
            names = [str(RulePlacement(name).label) for name in initial.get("scenarios", ()) if name in RulePlacement]
            initial["name"] = _("Pinned in %(placements)s") % {"placements": join_names(names)} if names else ""
        return initial

    def formfield_for_dbfield(self, db_field: Field, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name in pages.SUGGESTION_FIELDS and field is not None:
            field.widget.attrs["data-suggest"] = pages.SUGGESTION_FIELDS[db_field.name]
        return field

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:rule_id>/switch/", wrap(self.switch_rule), name="merchandising_rule_switch"),
            *super().get_urls(),
        ]

    def switch_rule(self, request: HttpRequest, rule_id: int) -> HttpResponse:
        return pages.toggle_rule(request, model_admin=self, rule_id=rule_id)

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Attach its overview to every rule of the page.

        All overviews are computed at once: each needs the columns of the whole catalog and all other rules.
        """
        changelist = super().get_changelist_instance(request)
        rules = list(changelist.result_list)
        titles = find_product_titles(rules)
        for rule, overview in zip(rules, build_overviews(rules=rules, now=timezone.now()), strict=True):
            rule.overview = overview
            rule.titles = titles
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
        context = pages.build_rule_context(request, model_admin=self, object_id=object_id)
        return super().changeform_view(request, object_id, form_url, {**(extra_context or {}), **context})

    def save_model(self, request: HttpRequest, obj: Rule, form: RuleForm, change: bool) -> None:
        save_rule(
            rule=obj, write_members=write_segment_members.delay, fields=list(form.cleaned_data) if change else None
        )
        [overview] = build_overviews(rules=[obj], now=timezone.now())
        for text in (*overview.warnings, *(conflict.text for conflict in overview.conflicts)):
            messages.warning(request, text)

    @admin.action(description=gettext_lazy("Enable"), permissions=["change"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[Rule]) -> None:
        self.switch_selected(request, queryset, enabled=True)

    @admin.action(description=gettext_lazy("Disable"), permissions=["change"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[Rule]) -> None:
        self.switch_selected(request, queryset, enabled=False)

    def switch_selected(self, request: HttpRequest, queryset: QuerySet[Rule], *, enabled: bool) -> None:
        changed = switch_rules(rules=list(queryset), enabled=enabled, write_members=write_segment_members.delay)
        text = ngettext("%(count)d rule was changed.", "%(count)d rules were changed.", changed)
        messages.success(request, text % {"count": changed})

    @display(description=gettext_lazy("effect"))
    def effect(self, rule: Rule) -> SafeString:
        return format_html('<span class="rule-words">{}</span>', describe_rule(rule, rule.titles))  # type: ignore[attr-defined]

    @display(description=gettext_lazy("matching products"))
    def matching_products(self, rule: Rule) -> str:
        return number_format(get_overview(rule).products, force_grouping=True)

    @display(
        description=gettext_lazy("status"),
        label={"on": "success", "waiting": "info", "over": "warning", "off": "danger"},
    )
    def state_badge(self, rule: Rule) -> tuple[str, Any]:
        state = get_overview(rule).state
        return state, pages.STATE_LABELS[state]

    @display(description=gettext_lazy("notes"))
    def notes(self, rule: Rule) -> str | SafeString:
        overview = get_overview(rule)
        texts = [*(conflict.text for conflict in overview.conflicts), *overview.warnings]
        if not texts:
            return "–"
        summary = ngettext("%(count)d note", "%(count)d notes", len(texts)) % {"count": len(texts)}
        items = format_html_join("", "<li>{}</li>", ((text,) for text in texts))
        return format_html('<details class="rule-notes"><summary>{}</summary><ul>{}</ul></details>', summary, items)

    @display(description="")
    def switch_button(self, rule: Rule) -> str | SafeString:
        if not rule.may_switch:  # type: ignore[attr-defined]
            return ""
        # a button of the list's own form, which is posted with its token
        return format_html(
            '<button type="submit" class="rule-switch" formmethod="post" formaction="{}">{}</button>',
            reverse("admin:merchandising_rule_switch", args=[rule.pk]),
            _("Disable") if rule.enabled else _("Enable"),
        )


def get_overview(rule: Rule) -> RuleOverview:
    return rule.overview  # type: ignore[attr-defined]
