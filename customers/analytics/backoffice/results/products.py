"""Product performance as a page shows it."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from catalog.categories import format_path
from catalog.models import Product
from config.foundation.charts.bars import build_bar_chart
from config.foundation.charts.spec import ChartSpec, build_chart_table
from config.foundation.number_formats import (
    NO_VALUE,
    format_count,
    format_money,
    format_percent,
    format_whole_money,
    join_sentences,
    round_amount,
)
from customers.analytics.backoffice.results.view import ResultChart, ResultContext, ResultView
from customers.analytics.questions.products import ProductPerformance, ProductResult

MAX_BARS = 15
MAX_NAME = 60
CATEGORY = "category"


def show_products(result: ProductResult, context: ResultContext) -> ResultView:
    """Return the largest products or categories, and the table of all that are listed."""
    if not result.rows:
        return ResultView(_("Nothing was viewed or bought in this period."), [], is_empty=True)
    note = _(
        "Click a bar to see who bought. The table also links to the people who viewed, added to cart, bought and returned."
    )
    chart = ResultChart("products-chart", _("Product performance"), build_products_chart(result, context), "tall", note)
    return ResultView(describe_products(result, context), [chart])


def read_titles(result: ProductResult, context: ResultContext) -> Mapping[str, str]:
    """Return the titles of the products by ID, or of the categories by path."""
    ids = [row.name for row in result.rows if row.name is not None]
    if context.parameters.level == CATEGORY:
        return {path: format_path(path) for path in ids}
    return dict(Product.objects.filter(product_id__in=ids).exclude(title="").values_list("product_id", "title"))


def name_row(row: ProductPerformance, titles: Mapping[str, str]) -> str:
    if row.name is None:
        return _("Without a category")
    return titles.get(row.name, row.name)


def describe_products(result: ProductResult, context: ResultContext) -> str:
    """Return the revenue of all, its margin, and how many viewers buy."""
    total = result.total
    texts = [
        # the revenue includes orders of guests, who are not among the customers
        ngettext(
            "Revenue of %(revenue)s. %(people)s known customer bought.",
            "Revenue of %(revenue)s. %(people)s known customers bought.",
            total.bought,
        )
        % {
            "revenue": format_whole_money(total.revenue, context.currency),
            "people": format_count(total.bought),
        }
    ]
    if total.margin_share is not None:
        texts.append(
            _("The margin of products whose cost is known is %(share)s.")
            % {"share": format_percent(total.margin_share, 1)}
        )
    if total.return_rate:
        texts.append(_("%(share)s of the goods were returned.") % {"share": format_percent(total.return_rate, 1)})
    if result.total_rows > len(result.rows):
        texts.append(
            _("Showing the first %(shown)s of %(count)s.")
            % {"shown": format_count(len(result.rows)), "count": format_count(result.total_rows)}
        )
    return join_sentences(texts)


def link_stage(row: ProductPerformance, stage: str, context: ResultContext) -> str:
    return context.link({"stage": stage, "name": row.name}, getattr(row, stage))


def build_products_chart(result: ProductResult, context: ResultContext) -> ChartSpec:
    """Return the chosen figure of the first rows as bars, and the table of all rows."""
    titles, sort = read_titles(result, context), context.parameters.sort
    is_money = sort in ("revenue", "margin")
    bars = result.rows[:MAX_BARS]
    values = [float(getattr(row, sort) or 0) for row in bars]
    spec = build_bar_chart(
        labels=[f"{number}. {name_row(row, titles)[:MAX_NAME]}" for number, row in enumerate(bars, 1)],
        values=values,
        texts=[format_whole_money(value, context.currency) if is_money else format_count(value) for value in values],
        links=[link_stage(row, "bought" if is_money else sort, context) for row in bars],
        horizontal=True,
    )
    columns = [
        pgettext("thing", "Name"),
        _("Viewed"),
        _("Added to cart"),
        _("Bought"),
        _("Returned"),
        _("Viewers who bought"),
    ]
    columns += [_("Units"), _("Revenue"), _("Margin"), _("Return rate")]
    spec["table"] = build_chart_table(columns, [build_row(row, titles, context) for row in result.rows])
    return spec


def build_row(
    row: ProductPerformance, titles: Mapping[str, str], context: ResultContext
) -> list[str | tuple[str, str]]:
    """Return the cells of a product or category."""
    return [
        name_row(row, titles),
        *(
            (format_count(getattr(row, stage)), link_stage(row, stage, context))
            for stage in ("viewed", "added", "bought", "returned")
        ),
        format_percent(row.buy_rate, 1),
        format_count(row.units),
        format_money(row.revenue, context.currency),
        NO_VALUE if row.margin is None else format_money(row.margin, context.currency),
        format_percent(row.return_rate, 1),
    ]


def list_product_rows(result: ProductResult, context: ResultContext) -> Iterator[list[Any]]:
    """Yield the rows of the CSV file."""
    yield [
        *("id", "name", "viewed", "added", "bought", "returned", "units", "returned_units", "revenue", "margin"),
        *("add_rate", "buy_rate", "return_rate"),
    ]
    titles = read_titles(result, context)
    for row in result.rows:
        yield [
            *(row.name, name_row(row, titles), row.viewed, row.added, row.bought, row.returned, row.units),
            *(row.returned_units, round_amount(row.revenue), round_amount(row.margin)),
            *(row.add_rate, row.buy_rate, row.return_rate),
        ]
