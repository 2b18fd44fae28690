"""The forms of the program's rules, levels and category bonuses."""

import json
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
from itertools import combinations
from typing import Any

from django import forms
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from catalog.models import Category
from customers.loyalty.models import SINGLETON_ID, CategoryBonus, LoyaltyLevel, LoyaltyProgram, choose_language

MAX_LEVELS = 20


class LoyaltyRulesForm(forms.ModelForm):
    """The rules of the program."""

    class Meta:
        model = LoyaltyProgram
        fields = [
            "is_enabled",
            "period_months",
            "validity_months",
            "grace_days",
            "points_per_unit",
            "expiry_months",
            "point_value",
            "sign_in_points",
            "streak_days",
            "streak_bonus",
            "review_points",
            "survey_points",
            "reservation_minutes",
        ]


class LevelForm(forms.Form):
    """A level; without a name the row is ignored, and a level that exists already is removed."""

    level = forms.ModelChoiceField(
        LoyaltyLevel.objects.all(),
        required=False,
        widget=forms.HiddenInput,
        error_messages={"invalid_choice": gettext_lazy("This level was removed meanwhile. Open the page again.")},
    )
    name = forms.CharField(label=gettext_lazy("name"), max_length=100, required=False)
    name_zh = forms.CharField(label=gettext_lazy("name in Chinese"), max_length=100, required=False)
    min_spend = forms.DecimalField(
        label=gettext_lazy("spend at least"), max_digits=14, decimal_places=2, min_value=0, required=False
    )
    min_orders = forms.IntegerField(
        label=gettext_lazy("orders at least"), min_value=0, max_value=2_000_000_000, required=False
    )
    requires_both = forms.BooleanField(label=gettext_lazy("spend and orders are both needed"), required=False)
    points_per_unit = forms.DecimalField(
        label=gettext_lazy("points per unit of currency"), max_digits=8, decimal_places=3, min_value=0, required=False
    )
    benefits = forms.CharField(
        label=gettext_lazy("benefits"), max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 2})
    )
    benefits_zh = forms.CharField(
        label=gettext_lazy("benefits in Chinese"),
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def build_level(self, position: int) -> LoyaltyLevel:
        """Return the level with the entered values, not saved."""
        values = self.cleaned_data
        level: LoyaltyLevel = values["level"] or LoyaltyLevel()
        level.position = position
        for name in ("name", "name_zh", "benefits", "benefits_zh", "requires_both"):
            setattr(level, name, values[name])
        level.min_spend = values["min_spend"] or Decimal(0)
        level.min_orders = values["min_orders"] or 0
        level.points_per_unit = Decimal(1) if values["points_per_unit"] is None else values["points_per_unit"]
        return level


class LevelFormSet(forms.BaseFormSet):
    """The levels, the lowest first."""

    def clean(self) -> None:
        if any(self.errors):
            return
        rows = [form.cleaned_data for form in self.list_named()]
        # readers of Chinese see the name where there is none in Chinese
        for names in ([row["name"] for row in rows], [row["name_zh"] or row["name"] for row in rows]):
            if repeated := next((name for name, count in Counter(names).items() if count > 1), ""):
                raise forms.ValidationError(_("Two levels have the name “%(name)s”. Rename one.") % {"name": repeated})
        for lower, higher in combinations(rows, 2):
            if is_included(lower, higher):
                raise forms.ValidationError(
                    _(
                        "Nobody would be in the level “%(lower)s”: whoever reaches it also reaches the higher level “%(higher)s”. "
                        "Change their thresholds or their order."
                    )
                    % {
                        "lower": choose_language(lower["name"], lower["name_zh"]),
                        "higher": choose_language(higher["name"], higher["name_zh"]),
                    }
                )

    def list_named(self) -> list[LevelForm]:
        return [form for form in self.forms if getattr(form, "cleaned_data", {}).get("name")]

    def build_levels(self) -> list[LoyaltyLevel]:
        """Return the levels as entered, the lowest first, not saved."""
        levels = [form.build_level(position) for position, form in enumerate(self.list_named())]
        keys = {level.key for level in levels if level.key}
        for level in levels:
            if not level.key:
                level.key = make_key(level.name, keys)
                keys.add(level.key)
        return levels


def is_included(lower: Mapping[str, Any], higher: Mapping[str, Any]) -> bool:
    """Return whether every customer who reaches the lower level reaches the higher one too."""
    return all(
        any(spend >= min_spend and orders >= min_orders for min_spend, min_orders in list_thresholds(higher))
        for spend, orders in list_thresholds(lower)
    )


def list_thresholds(level: Mapping[str, Any]) -> list[tuple[Decimal, int]]:
    """Return the spend and orders that reach a level, as alternatives; 0 is no threshold."""
    spend, orders = level["min_spend"] or Decimal(0), level["min_orders"] or 0
    if level["requires_both"] or not spend or not orders:
        return [(spend, orders)]
    return [(spend, 0), (Decimal(0), orders)]


LevelForms = forms.formset_factory(
    LevelForm, formset=LevelFormSet, extra=2, max_num=MAX_LEVELS, absolute_max=MAX_LEVELS + 5, validate_max=True
)


def make_key(name: str, taken: set[str]) -> str:
    base = slugify(name)[:40] or "level"
    number, key = 1, base
    while key in taken:
        number += 1
        key = f"{base}-{number}"
    return key


def list_level_fields() -> list[str]:
    """Return the fields of a level that the form has."""
    return [name for name in LevelForm.base_fields if name != "level"]


def list_initial_levels() -> list[dict[str, Any]]:
    """Return the initial values of the level forms; examples if there are no levels yet."""
    names = list_level_fields()
    levels = [
        {"level": level.pk, **{name: getattr(level, name) for name in names}} for level in LoyaltyLevel.objects.all()
    ]
    return levels or [
        {"name": "Member", "name_zh": "普通会员", "points_per_unit": 1},
        {"name": "Silver", "name_zh": "银卡会员", "min_spend": 500, "points_per_unit": Decimal("1.2")},
        {"name": "Gold", "name_zh": "金卡会员", "min_spend": 2000, "min_orders": 10, "points_per_unit": Decimal("1.5")},
    ]


class BonusForm(forms.Form):
    """More points for a category; a multiplier of 1 removes it."""

    category = forms.ModelChoiceField(
        label=gettext_lazy("category"), queryset=Category.objects.order_by("path"), required=False
    )
    multiplier = forms.DecimalField(
        label=gettext_lazy("multiplier"),
        max_digits=6,
        decimal_places=2,
        min_value=1,
        required=False,
        help_text=gettext_lazy("2: twice the points. 1: no bonus."),
    )


BonusForms = forms.formset_factory(BonusForm, extra=1, max_num=50, absolute_max=60)


def compute_stored_version() -> str:
    """Return a hash of the stored rules, levels and bonuses, to detect changes after a form of them was opened."""
    program = LoyaltyProgram.objects.filter(pk=SINGLETON_ID).values_list(*LoyaltyRulesForm.Meta.fields)
    levels = LoyaltyLevel.objects.values_list("pk", "key", "position", *list_level_fields())
    bonuses = CategoryBonus.objects.order_by("pk").values_list()
    return hash_values([list(rows) for rows in (program, levels, bonuses)])


def hash_values(values: Any) -> str:
    return sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


def list_initial_bonuses() -> list[dict[str, Any]]:
    return [{"category": bonus.category_id, "multiplier": bonus.multiplier} for bonus in CategoryBonus.objects.all()]
