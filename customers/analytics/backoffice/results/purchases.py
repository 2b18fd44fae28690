"""What is bought together, and what people buy first, as pages show them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _

from catalog.categories import format_path
from catalog.models import Product
from config.foundation.charts.bars import build_bar_chart
from config.foundation.charts.spec import ChartSpec, build_chart_table, format_chart_number
from config.foundation.number_formats import NO_VALUE, format_count, format_percent, join_sentences
from customers.analytics.backoffice.results.view import ResultChart, ResultContext, ResultView
from customers.analytics.questions.affinity import AffinityResult, ProductPair
from customers.analytics.questions.repeat import FirstPurchase, FirstPurchaseResult

MAX_BARS = 15
MAX_NAME, MAX_PAIR_NAME = 60, 34
CATEGORY = "category"


def read_titles(ids: Iterable[str | None], context: ResultContext) -> Mapping[str, str]:
    """Return the titles of the products by ID, or of the categories by path."""
    known = {name for name in ids if name is not None}
    if context.parameters.level == CATEGORY:
        return {path: format_path(path) for path in known}
    return dict(Product.objects.filter(product_id__in=known).exclude(title="").values_list("product_id", "title"))


def shorten(name: str, length: int) -> str:
    return name if len(name) <= length else f"{name[: length - 1].rstrip()}…"


def show_affinity(result: AffinityResult, context: ResultContext) -> ResultView:
    """Return the pairs with the people who bought both."""
    if not result.pairs:
        return ResultView(_("No pair was bought by enough people in this period."), [], is_empty=True)
    note = _("Click a bar to see who bought both. The table also links to the people who bought only the first item.")
    chart = ResultChart(
        "affinity-pairs", _("Bought by the same people"), build_pairs_chart(result, context), "tall", note
    )
    return ResultView(describe_affinity(result, context), [chart])


def describe_affinity(result: AffinityResult, context: ResultContext) -> str:
    """Return the first pair with its confidence and lift."""
    pair, titles = result.pairs[0], read_pair_titles(result, context)
    first, second = titles.get(pair.first, pair.first), titles.get(pair.second, pair.second)
    return join_sentences(
        [
            _("%(count)s people bought something.") % {"count": format_count(result.buyers)},
            _(
                "“%(first)s” and “%(second)s”: %(people)s people bought both, which is %(share)s of those who bought the first one."
            )
            % {
                "first": first,
                "second": second,
                "people": format_count(pair.people),
                "share": format_percent(pair.confidence, 1),
            },
            _("That is %(lift)s times as often as by chance.") % {"lift": format_chart_number(round(pair.lift, 1))},
        ]
    )


def read_pair_titles(result: AffinityResult, context: ResultContext) -> Mapping[str, str]:
    return read_titles((name for pair in result.pairs for name in (pair.first, pair.second)), context)


def build_pairs_chart(result: AffinityResult, context: ResultContext) -> ChartSpec:
    """Return the first pairs as bars, and the table of all."""
    titles = read_pair_titles(result, context)

    def name(pair: ProductPair, length: int) -> str:
        names = (titles.get(name, name) for name in (pair.first, pair.second))
        return " + ".join(shorten(text, length) for text in names)

    bars, by_lift = result.pairs[:MAX_BARS], context.parameters.sort == "lift"
    spec = build_bar_chart(
        labels=[f"{number}. {name(pair, MAX_PAIR_NAME)}" for number, pair in enumerate(bars, 1)],
        values=[pair.lift if by_lift else pair.people for pair in bars],
        texts=[format_chart_number(round(pair.lift, 1)) if by_lift else format_count(pair.people) for pair in bars],
        links=[link_pair(pair, context) for pair in bars],
        x_title=_("Lift") if by_lift else _("People"),
        horizontal=True,
    )
    columns = [
        _("First item"),
        _("Second item"),
        _("Bought both"),
        _("Only the first"),
        _("Share of first item's buyers"),
        _("Lift"),
    ]
    rows: list[list[str | tuple[str, str]]] = []
    for pair in result.pairs:
        missing = pair.first_people - pair.people
        rows.append(
            [
                titles.get(pair.first, pair.first),
                titles.get(pair.second, pair.second),
                (format_count(pair.people), link_pair(pair, context)),
                (
                    format_count(missing),
                    context.link({"first": pair.first, "second": pair.second, "is_missing": True}, missing),
                ),
                format_percent(pair.confidence, 1),
                format_chart_number(round(pair.lift, 1)),
            ]
        )
    spec["table"] = build_chart_table(columns, rows)
    return spec


def link_pair(pair: ProductPair, context: ResultContext) -> str:
    return context.link({"first": pair.first, "second": pair.second}, pair.people)


def list_affinity_rows(result: AffinityResult, context: ResultContext) -> Iterator[list[Any]]:
    """Yield the rows of the CSV file."""
    yield [
        "first",
        "first_name",
        "second",
        "second_name",
        "first_people",
        "second_people",
        "people",
        "confidence",
        "lift",
    ]
    titles = read_pair_titles(result, context)
    for pair in result.pairs:
        yield [
            *(pair.first, titles.get(pair.first, pair.first), pair.second, titles.get(pair.second, pair.second)),
            *(pair.first_people, pair.second_people, pair.people, pair.confidence, pair.lift),
        ]


def show_repeat(result: FirstPurchaseResult, context: ResultContext) -> ResultView:
    """Return the share of people who order again, by what they bought first."""
    if not result.total.people and not result.total.recent:
        return ResultView(_("Nobody ordered for the first time in this period."), [], is_empty=True)
    charts = []
    if result.rows:
        note = _("Click a bar to see who ordered again. The table also links to the people who did not.")
        charts.append(
            ResultChart("repeat-products", _("Who orders again"), build_repeat_chart(result, context), "tall", note)
        )
    return ResultView(describe_repeat(result, context), charts)


def describe_repeat(result: FirstPurchaseResult, context: ResultContext) -> str:
    """Return the share of all, and which first purchase has the largest one."""
    total, days = result.total, context.parameters.within_days
    texts = [
        _("Of %(people)s people who ordered for the first time, %(share)s ordered again within %(days)s days.")
        % {"people": format_count(total.people), "share": format_percent(total.share, 1), "days": format_count(days)}
    ]
    if total.recent:
        texts.append(
            _("For %(count)s more, the %(days)s days are not over; they are not counted.")
            % {"count": format_count(total.recent), "days": format_count(days)}
        )
    known = [row for row in result.rows if row.share is not None]
    if len(known) > 1:
        best = max(known, key=lambda row: (row.share or 0, row.people))
        titles = read_titles((row.name for row in result.rows), context)
        texts.append(
            _("Of the rows below, the share is largest for “%(name)s”: %(share)s of %(people)s.")
            % {
                "name": titles.get(best.name or "", best.name or ""),
                "share": format_percent(best.share, 1),
                "people": format_count(best.people),
            }
        )
    return join_sentences(texts)


def build_repeat_chart(result: FirstPurchaseResult, context: ResultContext) -> ChartSpec:
    """Return the share of the first rows as bars, and the table of all, with all first orders in its first row."""
    titles = read_titles((row.name for row in result.rows), context)
    bars = result.rows[:MAX_BARS]
    spec = build_bar_chart(
        labels=[
            f"{number}. {shorten(titles.get(row.name or '', row.name or ''), MAX_NAME)}"
            for number, row in enumerate(bars, 1)
        ],
        values=[(row.share or 0) * 100 for row in bars],
        texts=[f"{format_percent(row.share, 1)} ({format_count(row.repeated)})" for row in bars],
        links=[link_first(row, context, is_repeated=True) for row in bars],
        x_title="%",
        horizontal=True,
    )
    columns = [
        _("Bought first"),
        _("People"),
        _("Ordered again"),
        _("Did not order again"),
        _("Share"),
        _("Median days to the second order"),
    ]
    named = [(titles.get(row.name or "", row.name or ""), row) for row in result.rows]
    spec["table"] = build_chart_table(
        columns, [build_repeat_row(name, row, context) for name, row in [(_("All first orders"), result.total), *named]]
    )
    return spec


def build_repeat_row(name: str, row: FirstPurchase, context: ResultContext) -> list[str | tuple[str, str]]:
    missing = row.people - row.repeated
    return [
        name,
        (format_count(row.people), context.link({"name": row.name}, row.people)),
        (format_count(row.repeated), link_first(row, context, is_repeated=True)),
        (format_count(missing), context.link({"name": row.name, "is_repeated": False}, missing)),
        format_percent(row.share, 1),
        NO_VALUE if row.median_days is None else format_chart_number(round(row.median_days, 1)),
    ]


def link_first(row: FirstPurchase, context: ResultContext, *, is_repeated: bool) -> str:
    return context.link({"name": row.name, "is_repeated": is_repeated}, row.repeated)


def list_repeat_rows(result: FirstPurchaseResult, context: ResultContext) -> Iterator[list[Any]]:
    """Yield the rows of the CSV file; the first one is all first orders."""
    yield ["id", "name", "people", "repeated", "share", "recent", "median_days"]
    titles = read_titles((row.name for row in result.rows), context)
    for row in (result.total, *result.rows):
        name = titles.get(row.name or "", row.name or "")
        yield [row.name, name, row.people, row.repeated, row.share, row.recent, row.median_days]
