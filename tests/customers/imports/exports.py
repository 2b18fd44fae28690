"""Exports as the shop systems write them, with invented data."""

import csv
import io
from collections.abc import Iterable, Mapping


def write_csv(header: str, rows: Iterable[Mapping[str, str]]) -> str:
    """Return a CSV file in which missing cells are empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, next(csv.reader([header])), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


SHOPIFY_PRODUCT_COLUMNS = (
    "Handle,Title,Body (HTML),Vendor,Product Category,Type,Tags,Published,Option1 Name,Option1 Value,"
    "Option1 Linked To,Option2 Name,Option2 Value,Option2 Linked To,Option3 Name,Option3 Value,Option3 Linked To,"
    "Variant SKU,Variant Grams,Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy,"
    "Variant Fulfillment Service,Variant Price,Variant Compare At Price,Variant Requires Shipping,Variant Taxable,"
    "Variant Barcode,Image Src,Image Position,Image Alt Text,Gift Card,SEO Title,SEO Description,Variant Image,"
    "Variant Weight Unit,Variant Tax Code,Cost per item,Included / Germany,Status"
)
SHOPIFY_PRODUCTS = write_csv(
    SHOPIFY_PRODUCT_COLUMNS,
    [
        {
            "Handle": "linen-shirt",
            "Title": "Linen Shirt",
            "Body (HTML)": "<p>Cool &amp; light.</p>\n<ul><li>100% linen</li></ul>",
            "Vendor": "Northwind",
            "Product Category": "Apparel & Accessories > Clothing > Shirts",
            "Type": "Shirts",
            "Tags": "summer, linen",
            "Published": "true",
            "Option1 Name": "Size",
            "Option1 Value": "S",
            "Option2 Name": "Color",
            "Option2 Value": "White",
            "Variant SKU": "'1001",
            "Variant Inventory Tracker": "shopify",
            "Variant Inventory Qty": "7",
            "Variant Inventory Policy": "deny",
            "Variant Price": "39.90",
            "Variant Compare At Price": "49.90",
            "Image Src": "https://cdn.shop.example/shirt.jpg",
            "Image Position": "1",
            "Cost per item": "12.50",
            "Status": "active",
        },
        {
            "Handle": "linen-shirt",
            "Option1 Value": "M",
            "Option2 Value": "White",
            "Variant SKU": "LS-M",
            "Variant Inventory Tracker": "shopify",
            "Variant Inventory Qty": "0",
            "Variant Inventory Policy": "deny",
            "Variant Price": "41.90",
            "Image Src": "https://cdn.shop.example/shirt-back.jpg",
            "Image Position": "2",
            "Variant Image": "https://cdn.shop.example/shirt-m.jpg",
        },
        {"Handle": "linen-shirt", "Image Src": "https://cdn.shop.example/shirt-detail.jpg", "Image Position": "3"},
        {
            "Handle": "gift-box",
            "Title": "Gift Box",
            "Vendor": "Northwind",
            "Type": "Gifts",
            "Published": "false",
            "Option1 Name": "Title",
            "Option1 Value": "Default Title",
            "Variant Price": "5.00",
            "Status": "draft",
        },
    ],
)
SHOPIFY_ORDER_COLUMNS = (
    "Name,Email,Financial Status,Paid at,Fulfillment Status,Fulfilled at,Accepts Marketing,Currency,Subtotal,"
    "Shipping,Taxes,Total,Discount Code,Discount Amount,Shipping Method,Created at,Lineitem quantity,Lineitem name,"
    "Lineitem price,Lineitem compare at price,Lineitem sku,Lineitem requires shipping,Lineitem taxable,"
    "Lineitem fulfillment status,Billing Name,Billing Street,Billing City,Billing Zip,Billing Country,"
    "Shipping Name,Shipping City,Shipping Country,Notes,Cancelled at,Payment Method,Refunded Amount,Vendor,Id,Tags,"
    "Risk Level,Source,Lineitem discount"
)
SHOPIFY_ORDERS = write_csv(
    SHOPIFY_ORDER_COLUMNS,
    [
        {
            "Name": "#1001",
            "Email": "ada@example.com",
            "Financial Status": "paid",
            "Currency": "EUR",
            "Subtotal": "44.90",
            "Shipping": "4.90",
            "Taxes": "7.95",
            "Total": "49.80",
            "Created at": "2026-05-17 09:30:00 +0200",
            "Lineitem quantity": "1",
            "Lineitem name": "Linen Shirt - S / White",
            "Lineitem price": "39.90",
            "Lineitem sku": "1001",
            "Shipping Country": "DE",
            "Source": "web",
            "Lineitem discount": "0.00",
        },
        {
            "Name": "#1001",
            "Email": "ada@example.com",
            "Created at": "2026-05-17 09:30:00 +0200",
            "Lineitem quantity": "1",
            "Lineitem name": "Gift Box",
            "Lineitem price": "5.00",
            "Lineitem discount": "0.00",
        },
    ],
)
SHOPIFY_CUSTOMER_COLUMNS = (
    "Customer ID,First Name,Last Name,Email,Accepts Email Marketing,Default Address Company,"
    "Default Address Address1,Default Address Address2,Default Address City,Default Address Province Code,"
    "Default Address Country Code,Default Address Zip,Default Address Phone,Phone,Accepts SMS Marketing,"
    "Total Spent,Total Orders,Note,Tax Exempt,Tags"
)
SHOPIFY_CUSTOMERS = write_csv(
    SHOPIFY_CUSTOMER_COLUMNS,
    [
        {
            "Customer ID": "'7210448301122",
            "First Name": "Ada",
            "Last Name": "Lovelace",
            "Email": "ada@example.com",
            "Accepts Email Marketing": "yes",
            "Default Address Country Code": "GB",
            "Phone": "'+44 20 7946 0958",
            "Accepts SMS Marketing": "no",
            "Total Spent": "120.00",
            "Tags": "vip, wholesale",
        },
        {
            "Customer ID": "'7210448301123",
            "First Name": "Bob",
            "Email": "bob@example.com",
            "Accepts Email Marketing": "no",
        },
    ],
)

WOOCOMMERCE_PRODUCT_COLUMNS = (
    'ID,Type,SKU,"GTIN, UPC, EAN, or ISBN",Name,Published,Is featured?,Visibility in catalog,Short description,Description,'
    "Date sale price starts,Date sale price ends,Tax status,Tax class,In stock?,Stock,Low stock amount,Backorders allowed?,"
    "Sold individually?,Weight (kg),Length (cm),Allow customer reviews?,Purchase note,Sale price,Regular price,Categories,Tags,"
    "Shipping class,Images,Download limit,Download expiry days,Parent,Grouped products,Upsells,Cross-sells,External URL,Button text,"
    "Position,Brands,Attribute 1 name,Attribute 1 value(s),Attribute 1 visible,Attribute 1 global"
)
WOOCOMMERCE_PRODUCTS = write_csv(
    WOOCOMMERCE_PRODUCT_COLUMNS,
    [
        {
            "ID": "44",
            "Type": "variable",
            "SKU": "hoodie",
            "Name": "Hoodie",
            "Published": "1",
            "Short description": "Warm.",
            "In stock?": "1",
            "Categories": "Clothing, Clothing > Hoodies",
            "Tags": "warm, winter",
            "Images": "https://woo.example/hoodie.jpg, https://woo.example/hoodie-back.jpg",
            "Brands": "Woo",
            "Attribute 1 name": "Color",
            "Attribute 1 value(s)": "Blue, Green",
        },
        {
            "ID": "45",
            "Type": "variation",
            "SKU": "hoodie-blue",
            "Name": "Hoodie - Blue",
            "Published": "1",
            "In stock?": "1",
            "Stock": "3",
            "Sale price": "35",
            "Regular price": "42",
            "Parent": "hoodie",
            "Attribute 1 name": "Color",
            "Attribute 1 value(s)": "Blue",
        },
        {
            "ID": "46",
            "Type": "variation",
            "Name": "Hoodie - Green",
            "Published": "1",
            "In stock?": "0",
            "Regular price": "42",
            "Parent": "id:44",
            "Images": "https://woo.example/hoodie-green.jpg",
            "Attribute 1 name": "Color",
            "Attribute 1 value(s)": "Green",
        },
        {
            "ID": "50",
            "Type": "simple, virtual",
            "SKU": "course",
            "Name": "Online course",
            "Published": "-1",
            "Description": "<p>Learn.</p>",
            "Date sale price ends": "2020-01-31",
            "In stock?": "backorder",
            "Sale price": "10",
            "Regular price": "99",
            "Categories": "Courses\\, online",
        },
    ],
)
WOOCOMMERCE_CUSTOMERS = write_csv(
    ("Name,Username,Last Active,Sign Up,Email,Orders,Total Spend,AOV,Country / Region,City,Region,Postal Code"),
    [
        {
            "Name": "Eve Moneypenny",
            "Username": "eve",
            "Sign Up": "2025-03-01 10:00:00",
            "Email": "eve@example.com",
            "Orders": "3",
            "Total Spend": "99.5",
            "Country / Region": "GB",
        }
    ],
)
WOOCOMMERCE_ORDERS = write_csv(
    (
        "order_id,order_number,date,status,shipping_total,tax_total,order_total,order_currency,customer_id,"
        "billing_email,shipping_country,item_name,item_product_id,item_sku,item_quantity,item_total"
    ),
    [
        {
            "order_id": "812",
            "order_number": "812",
            "date": "2026-05-18 10:15:00",
            "status": "completed",
            "shipping_total": "5",
            "tax_total": "0",
            "order_total": "40",
            "order_currency": "EUR",
            "customer_id": "7",
            "billing_email": "eve@example.com",
            "shipping_country": "GB",
            "item_name": "Hoodie - Blue",
            "item_product_id": "45",
            "item_sku": "hoodie-blue",
            "item_quantity": "1",
            "item_total": "35",
        }
    ],
)

MAGENTO_PRODUCT_COLUMNS = (
    "sku,store_view_code,attribute_set_code,product_type,categories,product_websites,name,description,"
    "short_description,weight,product_online,tax_class_name,visibility,price,special_price,special_price_from_date,"
    "special_price_to_date,url_key,meta_title,base_image,base_image_label,created_at,updated_at,"
    "additional_attributes,qty,out_of_stock_qty,allow_backorders,is_in_stock,manage_stock,website_id,related_skus,"
    "configurable_variations,configurable_variation_labels"
)
MAGENTO_PRODUCTS = write_csv(
    MAGENTO_PRODUCT_COLUMNS,
    [
        {
            "sku": "MH01-XS-Black",
            "attribute_set_code": "Top",
            "product_type": "simple",
            "product_websites": "base",
            "name": "Chaz Hoodie-XS-Black",
            "product_online": "1",
            "visibility": "Not Visible Individually",
            "price": "52.000000",
            "special_price": "40",
            "special_price_from_date": "1/31/20",
            "additional_attributes": "color=Black,size=XS,manufacturer=Chaz, Inc.",
            "qty": "100.0000",
            "is_in_stock": "1",
        },
        {
            "sku": "MH01",
            "product_type": "configurable",
            "categories": "Default Category/Men,Default Category/Men/Tops/Hoodies",
            "name": "Chaz Hoodie",
            "description": "<p>Ideal for cold days.</p>",
            "product_online": "1",
            "base_image": "/m/h/mh01.jpg",
            "configurable_variations": "sku=MH01-XS-Black,size=XS,color=Black|sku=MH01-S-Black,size=S,color=Black",
        },
        {"sku": "MH01-XS-Black", "store_view_code": "de", "name": "Chaz Kapuzenpullover"},
        {
            "sku": "24-MB01",
            "product_type": "simple",
            "categories": "Default Category/Gear,Default Category/Gear/Bags",
            "name": "Duffle Bag",
            "product_online": "2",
            "price": "34",
            "base_image": "https://magento.example/media/mb01.jpg",
            "is_in_stock": "0",
        },
    ],
)
MAGENTO_CUSTOMERS = write_csv(
    (
        "email,_website,_store,confirmation,created_at,created_in,disable_auto_group_change,dob,firstname,gender,"
        "group_id,lastname,middlename,password_hash,prefix,rp_token,rp_token_created_at,store_id,suffix,taxvat,"
        "website_id,password,_address_country_id,_address_telephone"
    ),
    [
        {
            "email": "roni@example.com",
            "_website": "base",
            "created_at": "2025-01-09 12:49:00",
            "dob": "1973-12-15",
            "firstname": "Veronica",
            "lastname": "Costello",
            "password_hash": "d708be3fe0fe:salt:1",
            "rp_token": "07e71459",
            "_address_country_id": "US",
        },
        {"_address_country_id": "CA"},
    ],
)
