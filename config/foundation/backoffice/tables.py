"""Tables of pages: columns that sort and pages of rows, both chosen in the URL."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.paginator import Paginator
from django.db.models import F, QuerySet
from django.http import HttpRequest, QueryDict
from django.utils.functional import Promise


@dataclass(frozen=True)
class Cell:
    """A cell: its text, and optionally a link, a tooltip and an image beside the text."""

    text: Any
    url: str = ""
    title: str = ""
    align: str = ""
    image: str = ""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column. sort: the field that orders its rows (empty: it does not sort). align: "text" for columns of text, else numbers."""

    key: str
    label: str | Promise
    sort: str = ""
    align: str = ""


@dataclass
class TableColumn:
    """A column as a page shows it."""

    label: str | Promise
    align: str
    sorted: str = ""
    sort_url: str = ""


@dataclass
class Table:
    """A page of rows for the component `<c-table>`."""

    id: str
    label: str | Promise
    columns: list[TableColumn]
    rows: list[list[Cell]]
    page: int = 1
    pages: int = 1
    total: int = 0
    previous_url: str = ""
    next_url: str = ""
    is_sortable: bool = field(default=False)


def build_table(
    request: HttpRequest,
    rows: QuerySet[Any] | Sequence[Any],
    *,
    id: str,
    label: str | Promise,
    columns: Sequence[Column],
    format_row: Callable[[Any], Mapping[str, Any]],
    default_sort: str = "",
    page_size: int = 25,
    total: int | None = None,
) -> Table:
    """Return the page of rows that the URL chooses by ``{id}_sort`` (a column's key, descending with "-") and ``{id}_page``.

    Args:
        rows: a query set, which the database sorts and cuts, or a sequence, which is sorted by items or attributes.
        format_row: returns a row's cells by column key; a plain value is a cell without a link.
        total: the number of rows, if it is known; otherwise they are counted.
    """
    sort = request.GET.get(f"{id}_sort") or default_sort
    sortable = {column.key: column.sort for column in columns if column.sort}
    if sort.removeprefix("-") not in sortable:
        sort = default_sort
    if sort:
        rows = sort_rows(rows, sortable[sort.removeprefix("-")], is_descending=sort.startswith("-"))
    paginator = Paginator(rows, page_size)
    if total is not None:
        paginator.count = total  # a cached property
    page = paginator.get_page(request.GET.get(f"{id}_page"))
    url = UrlBuilder(request.GET, id)
    return Table(
        id=id,
        label=label,
        columns=[build_column(column, sort, url) for column in columns],
        rows=[
            [make_cell(cells.get(column.key), column.align) for column in columns] for cells in map(format_row, page)
        ],
        page=page.number,
        pages=paginator.num_pages,
        total=paginator.count,
        previous_url=url.set(page=str(page.number - 1)) if page.has_previous() else "",
        next_url=url.set(page=str(page.number + 1)) if page.has_next() else "",
        is_sortable=bool(sortable) or paginator.num_pages > 1,
    )


def sort_rows(rows: QuerySet[Any] | Sequence[Any], name: str, *, is_descending: bool) -> QuerySet[Any] | Sequence[Any]:
    """Return the rows in order; rows without a value come last."""
    if isinstance(rows, QuerySet):
        nulls_last = True if may_be_null(rows, name) else None  # otherwise the order of an index
        expression = F(name).desc(nulls_last=nulls_last) if is_descending else F(name).asc(nulls_last=nulls_last)
        return rows.order_by(expression, "pk")

    def read(row: Any) -> Any:
        return row.get(name) if isinstance(row, Mapping) else getattr(row, name)

    known = [row for row in rows if read(row) is not None]
    return sorted(known, key=read, reverse=is_descending) + [row for row in rows if read(row) is None]


def may_be_null(rows: QuerySet[Any], name: str) -> bool:
    """Return whether the values can be null: columns of the table say so, annotations and related tables do not."""
    columns = {"pk": rows.model._meta.pk, **{field.name: field for field in rows.model._meta.concrete_fields}}
    return name not in columns or name in rows.query.annotations or columns[name].null


def build_column(column: Column, sort: str, url: "UrlBuilder") -> TableColumn:
    if not column.sort:
        return TableColumn(column.label, column.align)
    is_descending = sort == f"-{column.key}"
    is_sorted = sort.removeprefix("-") == column.key
    return TableColumn(
        column.label,
        column.align,
        sorted=("descending" if is_descending else "ascending") if is_sorted else "",
        sort_url=url.set(sort=column.key if is_descending else f"-{column.key}", page=None),
    )


def make_cell(value: Any, align: str) -> Cell:
    if isinstance(value, Cell):
        return Cell(value.text, value.url, value.title, value.align or align, value.image)
    return Cell("–" if value is None else value, align=align)


@dataclass(frozen=True)
class UrlBuilder:
    """Builds links that change the order or the page of one table and keep the other parameters."""

    parameters: QueryDict
    id: str

    def set(self, **changes: str | None) -> str:
        query = self.parameters.copy()
        for name, value in changes.items():
            if value is None:
                query.pop(f"{self.id}_{name}", None)
            else:
                query[f"{self.id}_{name}"] = value
        return f"?{query.urlencode()}"
