"""The Online Retail data sets of the UCI Machine Learning Repository, in both spellings of their columns."""

from customers.orders.imports.presets.base import US_DATE_FORMATS, ColumnPreset

ONLINE_RETAIL = ColumnPreset(
    key="online-retail",
    label="Online Retail (UCI)",
    columns={
        "order_id": ("Invoice", "InvoiceNo"),
        "customer_id": ("Customer ID", "CustomerID"),
        "placed_at": ("InvoiceDate",),
        "product_id": ("StockCode",),
        "product_title": ("Description",),
        "quantity": ("Quantity",),
        "unit_price": ("Price", "UnitPrice"),
        "country": ("Country",),
    },
    date_formats=US_DATE_FORMATS,
)
