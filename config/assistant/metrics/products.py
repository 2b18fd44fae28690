"""Metrics of products: which sell best, and which are returned most, in the period of the question."""

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from catalog.models import Product
from config.assistant.caller import AssistantCaller, ToolError
from config.assistant.metrics.metric import MetricAnswer, MetricQuery, MetricRow, NamedMetric, Unit
from config.assistant.metrics.stored_results import load_result
from config.assistant.metrics.synonyms import make_synonyms
from customers.analytics.backoffice.addresses import make_question_url
from customers.analytics.expressions.parameters import ParameterError, dump_parameters
from customers.analytics.questions.products import ProductParameters

QUESTION = "products"


def make_product_metric(key: str, *, field: str, sort: str, **fields: Any) -> NamedMetric:
    """Return a metric that lists products or categories by one column of the question."""

    def compute(query: MetricQuery, caller: AssistantCaller) -> MetricAnswer:
        return list_products(query, caller, field=field, sort=sort)

    return NamedMetric(
        key=key,
        compute=compute,
        scope="analytics:read",
        groupings=("product", "category"),
        filters=("segment",),
        is_list=True,
        defaults={"group_by": "product"},
        **fields,
    )


def list_products(query: MetricQuery, caller: AssistantCaller, *, field: str, sort: str) -> MetricAnswer:
    """Return the first products or categories by a column."""
    level = query.group_by or "product"
    try:
        parameters = ProductParameters(
            since=query.since, until=query.until, segment=query.segment, level=level, sort=sort, limit=query.limit
        )
        state = load_result(QUESTION, parameters, now=timezone.now(), wait_seconds=caller.wait_seconds)
    except ParameterError as error:
        raise ToolError(str(error)) from error
    rows = state.result.rows if state.result is not None else ()
    titles = read_titles([row.name for row in rows if row.name]) if level == "product" else {}
    return MetricAnswer(
        rows=tuple(
            MetricRow(
                value=getattr(row, field),
                label=titles.get(row.name or "", row.name) or _("No category"),
                people=row.bought,
            )
            for row in rows
        ),
        as_of=state.as_of,
        is_current=state.is_current,
        is_computing=state.pending_id is not None,
        path=make_question_url(QUESTION, dump_parameters(parameters)),
        query={"name": QUESTION, "parameters": dump_parameters(parameters)},
        notes=(state.error,) if state.error else (),
    )


def read_titles(product_ids: list[str]) -> dict[str, str]:
    """Return the titles of products by ID."""
    return dict(Product.objects.filter(product_id__in=product_ids).values_list("product_id", "title"))


METRICS = (
    make_product_metric(
        "best_sellers",
        field="revenue",
        sort="revenue",
        label=gettext_lazy("Best sellers by revenue"),
        description=gettext_lazy("Products or categories with the highest revenue, net of returns and refunds."),
        unit=Unit.MONEY,
        synonyms=make_synonyms(
            "best sellers,best-sellers,bestsellers,best selling products,top products,top sellers,top selling products,"
            "revenue by product,revenue by category,what sells best,popular products",
            "畅销商品,热销商品,热卖商品,爆款,销量最高,卖得最好,商品排行,热销",
        ),
    ),
    make_product_metric(
        "most_bought",
        field="units",
        sort="bought",
        label=gettext_lazy("Units sold by product"),
        description=gettext_lazy("Products or categories bought by the most customers, with the units sold."),
        unit=Unit.COUNT,
        synonyms=make_synonyms(
            "units sold,most bought,most bought products,units by product", "销量,售出件数,购买最多"
        ),
    ),
    make_product_metric(
        "most_returned",
        field="returned_units",
        sort="returned",
        label=gettext_lazy("Units returned by product"),
        description=gettext_lazy("Products or categories returned by the most customers, with the units returned."),
        unit=Unit.COUNT,
        synonyms=make_synonyms(
            "most returned,returned products,returns by product,most returned products,returns",
            "退货商品,退货最多,退货,退货量",
        ),
    ),
)
