"""Products and coupon codes of a chunk of recipients."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from recommendations.messaging.coupons.claims import claim_codes
from recommendations.messaging.coupons.pools import add_codes
from recommendations.messaging.coupons.redemptions import REDEEM, match_redemptions
from recommendations.messaging.models import CouponCode, CouponPool
from recommendations.messaging.rendering import MessageChoices, Recipient, choose, get_compiled, load_recipients
from tests.makers import NOON, make_customer, make_order, make_product, make_profile
from tests.recommendations.messaging.makers import CountingLinks, get_version, make_source, make_template

EVENT = {
    "product": {
        "product_id": "kettle",
        "title": "Kettle",
        "price": "19.90",
        "currency": "EUR",
        "url": "https://s.example/k",
    }
}


def make_pool(*codes: str, **fields: Any) -> CouponPool:
    pool = CouponPool.objects.create(key="welcome", name="Welcome", **fields)
    add_codes(pool=pool, codes=codes)
    return pool


@pytest.mark.django_db
def test_the_product_that_triggered_the_message_is_shown() -> None:
    make_product("kettle", title="Kettle", price="19.90")
    chosen = choose_event_row()
    assert [(card.title, str(card.price)) for card in chosen.products["row-1"]] == [("Kettle", "19.90")]


def choose_event_row(event: dict[str, Any] = EVENT, *, fallback: str = "skip", **template: Any) -> MessageChoices:
    text = "<mj-text>{{ event.product.title }} costs {{ event.product.price|money }}</mj-text>"
    row = f'<mj-products placement="event" n="1" fallback="{fallback}"/>'
    version = get_version(make_template(make_source(text, sections=row), key=f"t-{fallback}", **template))
    recipient = Recipient(1, event=event)
    compiled = get_compiled(version.pk)
    chosen = MessageChoices.from_json(choose(compiled, {1: recipient}, now=NOON, deliveries={})[1].to_json())
    rendered = compiled.render(recipient=recipient, choices=chosen, links=CountingLinks(), language="en")
    chosen.event_products["text"] = rendered.text
    return chosen


@pytest.mark.django_db
def test_the_product_of_the_event_has_the_data_of_the_catalog_when_the_message_is_sent() -> None:
    make_product("kettle", title="Kettle 2", price="24.90")
    chosen = choose_event_row()
    assert [(card.title, str(card.price)) for card in chosen.products["row-1"]] == [("Kettle 2", "24.90")]
    assert "Kettle 2 costs €24.90" in chosen.event_products["text"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "fields",
    [
        {"availability": "out_of_stock"},
        {"stock": 0},
        {"is_active": False},
        {"published_at": NOON + timedelta(hours=1)},
        {"is_draft": True, "is_active": False},
        None,
    ],
)
def test_a_product_of_the_event_that_must_not_be_shown_any_more_is_replaced_by_the_fallback(
    fields: dict[str, Any] | None,
) -> None:
    if fields is not None:
        make_product("kettle", title="Kettle", price="19.90", **fields)
    make_product("pan", price=20)
    assert choose_event_row().skip_reason == "no_content"
    hidden = choose_event_row(fallback="hide")
    assert (hidden.skip_reason, hidden.products["row-1"]) == ("", [])
    assert "Kettle costs" in hidden.event_products["text"]
    assert [card.product_id for card in choose_event_row(fallback="popular").products["row-1"]] == ["pan"]


@pytest.mark.django_db
def test_a_transactional_message_shows_a_product_that_is_sold_out() -> None:
    make_product("kettle", title="Kettle", price="19.90", stock=0)
    chosen = choose_event_row(is_transactional=True)
    assert [card.product_id for card in chosen.products["row-1"]] == ["kettle"]


@pytest.mark.django_db
@pytest.mark.parametrize(("price", "reason"), [("19.90", ""), ("29.90", "no_content")])
def test_a_price_drop_that_has_ended_is_not_announced(price: str, reason: str) -> None:
    make_product("kettle", price=price)
    event = {"product": {**EVENT["product"], "old_price": "29.90"}}
    assert choose_event_row(event).skip_reason == reason


@pytest.mark.django_db
def test_a_row_that_must_have_products_stops_the_message_without_them() -> None:
    template = make_template(make_source("", sections='<mj-products placement="event" fallback="skip"/>'))
    chosen = choose(get_compiled(get_version(template).pk), {1: Recipient(1)}, now=NOON, deliveries={})
    assert chosen[1].skip_reason == "no_content"


@pytest.mark.django_db
def test_rows_show_popular_products_when_their_filter_matches_none() -> None:
    make_product("kettle", price=20)
    row = '<mj-products placement="popular" filter="price &lt; 5" fallback="{0}" n="2"/>'
    for fallback, expected in (("popular", ["kettle"]), ("hide", [])):
        template = make_template(make_source("", sections=row.format(fallback)), key=f"t-{fallback}")
        chosen = choose(get_compiled(get_version(template).pk), {1: Recipient(1)}, now=NOON, deliveries={})
        assert [card.product_id for card in chosen[1].products["row-1"]] == expected


@pytest.mark.django_db
def test_a_delivery_keeps_its_code_and_a_used_up_pool_stops_messages() -> None:
    make_pool("A-1")
    compiled = get_compiled(get_version(make_template(make_source('<mj-coupon pool="welcome"/>'))).pk)
    recipients = {1: Recipient(1), 2: Recipient(2)}
    first = choose(compiled, recipients, now=NOON, deliveries={1: 11, 2: 12})
    assert (first[1].coupons, first[2].skip_reason) == ({"welcome": "A-1"}, "coupons_used_up")
    again = choose(compiled, {1: Recipient(1)}, now=NOON, deliveries={1: 11})
    assert again[1].coupons == {"welcome": "A-1"}
    assert CouponCode.objects.get().customer_id == 1


@pytest.mark.django_db
def test_codes_of_an_expired_pool_are_not_given() -> None:
    make_pool("A-1", expires_at=NOON)
    assert claim_codes(pool_keys=["welcome"], deliveries={1: 1}, now=NOON) == {}


@pytest.mark.django_db
def test_a_customer_gets_no_more_codes_than_the_pool_allows_and_an_order_redeems_one() -> None:
    pool = make_pool("A-1", "A-2", "A-3", "A-4", per_customer=2)
    assert len(claim_codes(pool_keys=["welcome"], deliveries={1: 7, 2: 7, 3: 7}, now=NOON)) == 2
    assert len(claim_codes(pool_keys=["welcome"], deliveries={4: 7, 5: 8}, now=NOON)) == 1
    before, after = NOON - timedelta(hours=1), NOON + timedelta(hours=1)
    make_order(None, placed_at=before, coupon="A-1")
    make_order(None, placed_at=after, coupon="A-2", status="cancelled")
    order = make_order(None, placed_at=after, coupon="A-3")
    make_order(None, placed_at=after, coupon="A-4")  # nobody has got it
    assert [match_redemptions(now=datetime.now(UTC)) for _attempt in range(2)] == [1, 0]
    code = CouponCode.objects.get(redeemed_at__isnull=False)
    assert (code.code, code.order_number) == ("A-3", order.pk)
    pool.refresh_from_db()
    assert (pool.claimed_count, pool.redeemed_count) == (3, 1)


@pytest.mark.django_db
def test_an_order_redeems_the_oldest_of_several_codes_with_its_text() -> None:
    make_pool("TEA")
    other = CouponPool.objects.create(key="autumn", name="Autumn")
    add_codes(pool=other, codes=["TEA"])
    claim_codes(pool_keys=["welcome"], deliveries={1: 7}, now=NOON)
    claim_codes(pool_keys=["autumn"], deliveries={2: 8}, now=NOON - timedelta(hours=1))
    first = make_order(None, placed_at=NOON + timedelta(hours=1), coupon="TEA")
    assert [match_redemptions(now=datetime.now(UTC)) for _attempt in range(2)] == [1, 0]
    assert CouponCode.objects.get(redeemed_at__isnull=False).pool_id == other.pk
    second = make_order(None, placed_at=NOON + timedelta(hours=2), coupon="TEA")
    make_order(None, placed_at=NOON + timedelta(hours=3), coupon="TEA")  # no code is left for it
    assert [match_redemptions(now=datetime.now(UTC)) for _attempt in range(2)] == [1, 0]
    redeemed = dict(CouponCode.objects.values_list("pool__key", "order_number"))
    assert redeemed == {"autumn": first.pk, "welcome": second.pk}
    assert set(CouponPool.objects.values_list("redeemed_count", flat=True)) == {1}


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_give_every_code_to_one_delivery() -> None:
    make_pool(*(f"C-{number}" for number in range(60)))
    results: list[dict[int, dict[str, str]]] = []

    def claim(worker: int) -> None:
        try:
            for chunk in range(4):
                start = worker * 100 + chunk * 5
                results.append(
                    claim_codes(pool_keys=["welcome"], deliveries={start + each: each for each in range(5)}, now=NOON)
                )
        finally:
            connection.close()

    threads = [threading.Thread(target=claim, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    given = [codes["welcome"] for result in results for codes in result.values()]
    assert len(given) == len(set(given)) == 60
    assert CouponCode.objects.filter(claimed_at__isnull=True).count() == 0
    pool = CouponPool.objects.get()
    assert (pool.code_count, pool.claimed_count) == (60, 60), "the counts of the pool are exact"


@pytest.mark.django_db
def test_recipients_are_loaded_with_two_queries_and_only_what_is_needed(django_assert_num_queries: Any) -> None:
    customer = make_customer("u1", name="Ann Lee", email="ann@shop.example", language="zh-CN", traits={"size": "M"})
    make_profile(customer, orders=3, stage="loyal")
    with django_assert_num_queries(2):  # the second one reads who allows automated marketing
        recipients = load_recipients([customer.pk, 999], fields={"name", "traits", "orders"}, as_of=NOON)
    assert list(recipients) == [customer.pk]
    recipient = recipients[customer.pk]
    assert (recipient.user_id, recipient.name, recipient.email, recipient.fields) == (
        "u1",
        "Ann Lee",
        "",
        {"orders": 3},
    )


@pytest.mark.django_db
def test_redeemed_coupons_are_found_by_an_index_of_the_orders_with_coupons() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {REDEEM}", {"since": NOON})
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "orders_order_coupons" in plan
