"""Points are posted once per cause, follow orders and returns, expire the oldest first, and are never spent twice."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import InternalError, ProgrammingError, connection, connections, transaction
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from customers.feedback.models import Review
from customers.identity.merging.merge import merge_customers
from customers.identity.merging.revert import revert_merge
from customers.lifecycle.models import LifecycleRun
from customers.loyalty.counting import count_pending, note_customers, refresh_program, start_program
from customers.loyalty.models import CategoryBonus, LoyaltyLevel, LoyaltyMember, PendingMember, PointEntry
from customers.loyalty.points.expiry import expire_points
from customers.loyalty.points.ledger import PointsError, adjust_points
from customers.loyalty.points.reservations import close_reservation, release_all_overdue, reserve_points
from customers.loyalty.points.sign_in import sign_in
from tests.customers.loyalty.makers import START, make_levels, make_program
from tests.makers import NOON, make_category, make_customer, make_order, make_product

pytestmark = pytest.mark.django_db
STEPS = ["give", "take", "reserve", "confirm", "cancel", "day", "sign_in"]


def read_points(customer_id: int) -> list[tuple[str, int]]:
    return list(PointEntry.objects.filter(customer=customer_id).order_by("id").values_list("kind", "points"))


def get_balance(customer_id: int) -> int:
    """Return the balance, which must be the sum of the ledger."""
    balance = LoyaltyMember.objects.get(pk=customer_id).balance
    assert balance == (PointEntry.objects.filter(customer=customer_id).aggregate(sum=Sum("points"))["sum"] or 0)
    return balance


def test_orders_earn_by_level_and_category_and_returns_take_back() -> None:
    make_program(), make_levels()
    CategoryBonus.objects.create(category=make_category("Drinks"), multiplier=3)
    tea = make_product(price=Decimal("40"), category="Drinks > Tea")
    cup = make_product(price=Decimal("80.50"))
    anna = make_customer()
    make_order(anna, placed_at=START - timedelta(days=1), products=[cup])  # before the program
    first = make_order(anna, placed_at=NOON - timedelta(days=2), products=[tea, cup])
    count_pending(now=NOON)
    # 120.50 in all; tea, a third of it, earns twice as much again: 120.50 × (40 × 2 / 120.50) = 80
    assert read_points(anna.pk) == [("order", 120), ("category_bonus", 80)]
    assert (
        LoyaltyMember.objects.get(pk=anna.pk).level.key == "silver"
    )  # 201 in spend, with the order before the program
    second = make_order(anna, placed_at=NOON - timedelta(days=1), products=[cup])
    count_pending(now=NOON)
    assert read_points(anna.pk)[2:] == [("order", 120)]  # 80.50 × 1.5, as silver
    type(first).objects.filter(pk=first.pk).update(refunded=Decimal("60.25"), status="partly_refunded")
    type(second).objects.filter(pk=second.pk).update(status="cancelled")
    count_pending(now=NOON)
    assert sorted(read_points(anna.pk)[3:]) == [("category_bonus", -40), ("order", -120), ("order", -60)]
    assert get_balance(anna.pk) == 100
    count_pending(now=NOON)
    note_customers(customer_ids=[anna.pk])
    count_pending(now=NOON)
    assert get_balance(anna.pk) == 100
    first.lines.all().delete()
    first.delete()  # an import is undone
    count_pending(now=NOON)
    assert get_balance(anna.pk) == 0


def test_another_currency_of_amounts_takes_back_no_points() -> None:
    """Orders with points keep their currency; the new one decides only for orders without points."""
    make_program()
    product, anna = make_product(price=Decimal("100")), make_customer()
    first = make_order(anna, placed_at=NOON - timedelta(days=5), products=[product], currency="EUR")
    make_order(anna, placed_at=NOON - timedelta(days=4), products=[product], currency="GBP")
    LifecycleRun.objects.create(as_of=NOON, started_at=NOON, currency="EUR", status="done")
    count_pending(now=NOON)
    assert read_points(anna.pk) == [("order", 100)]
    LifecycleRun.objects.create(as_of=NOON, started_at=NOON, currency="USD", status="done")
    make_order(anna, placed_at=NOON - timedelta(days=3), products=[product], currency="USD")
    count_pending(now=NOON)
    assert read_points(anna.pk) == [("order", 100), ("order", 100)]
    type(first).objects.filter(pk=first.pk).update(refunded=Decimal("25"), status="partly_refunded")
    make_order(anna, placed_at=NOON - timedelta(days=1), kind="return", total=Decimal("50"), currency="EUR")
    count_pending(now=NOON)
    assert read_points(anna.pk)[2:] == [("order", -25), ("order", -50)]
    type(first).objects.filter(pk=first.pk).update(currency="JPY", total=Decimal("16000"))  # its currency was wrong
    count_pending(now=NOON)
    assert read_points(anna.pk)[4:] == [("order", -75)]


def test_a_run_that_dies_loses_nothing_and_doubles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    make_program()
    anna = make_customer()
    make_order(anna, products=[make_product()])
    Review.objects.create(review_id="r1", product=make_product(), customer=anna, rating=5, written_at=NOON)

    class KilledError(Exception):
        pass

    def die(*_args: object, **_kwargs: object) -> None:
        raise KilledError

    for name in ("award_points", "recompute_levels", "note_changed_customers"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(f"customers.loyalty.counting.{name}", die)
            with pytest.raises(KilledError), transaction.atomic():
                count_pending(now=NOON)
        assert not PointEntry.objects.exists()
        assert PendingMember.objects.exists()
    assert count_pending(now=NOON) == 1
    assert read_points(anna.pk) == [("order", 10)]


def test_a_new_category_bonus_applies_to_orders_counted_from_then_on() -> None:
    make_program()
    anna, tea = make_customer(), make_product(price=Decimal(40), category="Tea")
    make_order(anna, placed_at=START, products=[tea])
    count_pending(now=NOON)
    bonus = CategoryBonus.objects.create(category=make_category("Tea"), multiplier=3)
    start_program(now=NOON, reason="rules")  # counts all orders again, as saving the rules does
    count_pending(now=NOON)
    assert read_points(anna.pk) == [("order", 40)]
    make_order(anna, products=[tea])
    count_pending(now=NOON)
    assert read_points(anna.pk)[1:] == [("order", 40), ("category_bonus", 80)]
    bonus.delete()
    start_program(now=NOON, reason="rules")
    count_pending(now=NOON)
    assert get_balance(anna.pk) == 160


def test_returns_with_documents_take_back_at_most_what_earlier_orders_earned() -> None:
    make_program(), make_levels()
    CategoryBonus.objects.create(category=make_category("Tea"), multiplier=3)
    anna, bo, tea = make_customer(), make_customer(), make_product(price=Decimal(40), category="Tea")

    def order(day: int, price: int, kind: str = "sale") -> None:
        product = make_product(price=Decimal(price))
        placed_at, quantity = START + timedelta(days=day), 1 if kind == "sale" else -1
        make_order(anna, placed_at=placed_at, products=[product], quantity=quantity, kind=kind)
        count_pending(now=NOON)

    order(-5, 50)
    order(1, 50, "return")  # of the order before the program
    assert read_points(anna.pk) == []
    order(2, 100)
    order(3, 80)
    assert read_points(anna.pk) == [("order", 100), ("order", 120)]  # 80 × 1.5, as silver
    order(4, 90, "return")
    assert read_points(anna.pk)[2:] == [("order", -110)]  # 90 × 220 / 180
    LoyaltyLevel.objects.update(points_per_unit=5)
    order(5, 200, "return")
    assert read_points(anna.pk)[3:] == [("order", -110)]  # what was left
    order(6, 10)
    count_pending(now=NOON)
    assert read_points(anna.pk)[4:] == [("order", 50)]  # the returns have not changed
    for day, kind in enumerate(("sale", "return", "return", "sale", "return")):
        quantity = 1 if kind == "sale" else -1
        make_order(bo, placed_at=START + timedelta(days=day), products=[tea], quantity=quantity, kind=kind)
    count_pending(now=NOON)  # all of them at once; the second return has nothing to take back
    taken_and_earned = [("category_bonus", -80), ("category_bonus", 80), ("order", -40), ("order", 40)]
    assert sorted(read_points(bo.pk)) == sorted(taken_and_earned * 2)
    bo.orders.filter(kind="return").update(status="cancelled")
    count_pending(now=NOON)
    assert get_balance(bo.pk) == 240


def test_orders_later_than_the_run_that_sees_them_earn_points_in_a_later_one() -> None:
    make_program()
    anna, bo = make_customer(), make_customer()
    make_order(anna, products=[make_product()])

    def order_meanwhile(_customer_ids: object) -> None:
        if not bo.orders.exists():
            make_order(bo, placed_at=NOON + timedelta(minutes=1), products=[make_product()])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("customers.loyalty.counting.note_changed_customers", order_meanwhile)
        assert count_pending(now=NOON) == 1
    assert count_pending(now=NOON + timedelta(minutes=2)) == 1
    assert read_points(bo.pk) == [("order", 10)]
    make_order(anna, placed_at=NOON + timedelta(hours=20), products=[make_product()])  # a shop's clock may be ahead
    count_pending(now=NOON)
    refresh_program(now=NOON + timedelta(days=1))
    assert read_points(anna.pk) == [("order", 10), ("order", 10)]


def test_ledger_refuses_changes_of_entries() -> None:
    entry = adjust_points(customer_id=make_customer().pk, points=5, note="gift", by="anna", key="k", now=NOON)
    for change in ("UPDATE loyalty_pointentry SET points = 9", "DELETE FROM loyalty_pointentry"):
        with (
            pytest.raises((InternalError, ProgrammingError), match="append-only"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(change)
    assert adjust_points(customer_id=entry.customer_id, points=5, note="gift", by="anna", key="k", now=NOON) == entry
    with pytest.raises(PointsError):
        adjust_points(customer_id=entry.customer_id, points=-6, note="too much", by="anna", key="k2", now=NOON)
    assert get_balance(entry.customer_id) == 5


def test_points_expire_oldest_first_without_those_spent_or_reserved() -> None:
    make_program(expiry_months=1)
    anna = make_customer().pk
    adjust_points(customer_id=anna, points=100, note="a", by="x", key="1", now=NOON)  # valid until 31 December
    adjust_points(customer_id=anna, points=50, note="b", by="x", key="2", now=NOON + timedelta(days=10))  # 31 January
    reservation = reserve_points(customer_id=anna, points=30, reference="cart", now=NOON)
    close_reservation(customer_id=anna, reservation_id=reservation.pk, is_confirmed=True, now=NOON)
    member = LoyaltyMember.objects.get(pk=anna)
    assert (member.next_expiry_on, member.next_expiry_points) == (date(2026, 12, 31), 70)
    new_year = NOON.replace(year=2027, month=1, day=2)
    reserve_points(customer_id=anna, points=20, reference="cart 2", now=new_year)
    assert (expire_points(now=new_year), expire_points(now=new_year)) == (1, 0)
    assert get_balance(anna) == 70
    assert release_all_overdue(now=new_year + timedelta(hours=1)) == 1
    assert expire_points(now=new_year + timedelta(hours=1)) == 1  # what was reserved meanwhile
    assert get_balance(anna) == 50
    member.refresh_from_db()
    assert (member.next_expiry_on, member.next_expiry_points, member.reserved) == (date(2027, 1, 31), 50, 0)


def test_sign_ins_count_once_a_day_of_the_shop_and_in_a_row() -> None:
    make_program()
    anna = make_customer().pk
    results = [sign_in(customer_id=anna, now=NOON + timedelta(days=day)) for day in (0, 0, 1, 2, 4)]
    assert [(each.is_new, each.streak, each.points + each.bonus) for each in results] == [
        (True, 1, 5), (False, 1, 0), (True, 2, 5), (True, 3, 25), (True, 1, 5),
    ]  # fmt: skip
    assert get_balance(anna) == results[-1].balance == 40


def test_merging_moves_the_ledger_and_reverting_moves_it_back() -> None:
    make_program(), make_levels()
    anna, bo = make_customer("a"), make_customer("b")
    make_order(bo, products=[make_product(price=Decimal(200))])
    count_pending(now=NOON)
    adjust_points(customer_id=anna.pk, points=7, note="gift", by="x", key="k", now=NOON)
    reserve_points(customer_id=bo.pk, points=50, reference="cart", now=NOON)
    [merge] = merge_customers(pairs=[(anna.pk, bo.pk)], at=NOON, causes=["test"])
    count_pending(now=NOON)
    member = LoyaltyMember.objects.get()
    assert (member.pk, get_balance(anna.pk), member.reserved, member.level.key) == (anna.pk, 207, 50, "silver")
    revert_merge(merge_id=merge, at=NOON, by="x")
    count_pending(now=NOON)
    assert (get_balance(anna.pk), get_balance(bo.pk)) == (7, 200)
    assert list(LoyaltyMember.objects.order_by("pk").values_list("reserved", "level__key")) == [
        (0, "base"),
        (50, "silver"),
    ]


def test_a_sign_in_after_a_merge_that_is_reverted_counts_once() -> None:
    make_program()
    anna, bo = make_customer("a"), make_customer("b")
    for customer in (anna, bo):
        sign_in(customer_id=customer.pk, now=NOON - timedelta(days=1))
    [merge] = merge_customers(pairs=[(anna.pk, bo.pk)], at=NOON, causes=["test"])
    assert sign_in(customer_id=anna.pk, now=NOON).is_new
    revert_merge(merge_id=merge, at=NOON, by="x")
    again = sign_in(customer_id=anna.pk, now=NOON + timedelta(hours=1))
    assert (again.is_new, again.streak, again.balance) == (False, 2, get_balance(anna.pk)) == (False, 2, 10)
    other = sign_in(customer_id=bo.pk, now=NOON + timedelta(hours=1))
    assert (other.is_new, other.streak, other.balance) == (True, 2, 10)
    [merge] = merge_customers(pairs=[(anna.pk, bo.pk)], at=NOON, causes=["test"])
    revert_merge(merge_id=merge, at=NOON, by="x")  # the later sign-in was of the other customer
    assert LoyaltyMember.objects.get(pk=anna.pk).signed_in_at == NOON


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(1, 60)), max_size=12))
def test_balance_is_the_sum_of_the_ledger_and_is_never_overspent(steps: list[tuple[str, int]]) -> None:
    with transaction.atomic():
        make_program(expiry_months=1)
        anna, now, reservations = make_customer().pk, NOON, []
        for number, (step, amount) in enumerate(steps):
            try:
                if step in ("give", "take"):
                    points = amount if step == "give" else -amount
                    adjust_points(customer_id=anna, points=points, note="n", by="x", key=str(number), now=now)
                elif step == "reserve":
                    reservations.append(reserve_points(customer_id=anna, points=amount, reference="", now=now).pk)
                elif step in ("confirm", "cancel") and reservations:
                    close_reservation(
                        customer_id=anna, reservation_id=reservations[-1], is_confirmed=step == "confirm", now=now
                    )
                elif step == "sign_in":
                    sign_in(customer_id=anna, now=now)
                else:
                    now += timedelta(days=amount)
                    expire_points(now=now)
            except PointsError:
                continue
            member = LoyaltyMember.objects.filter(pk=anna).first()
            if member is not None:
                assert 0 <= member.reserved <= get_balance(anna)
        transaction.set_rollback(True)


@pytest.mark.django_db(transaction=True)
def test_points_are_not_spent_twice_at_the_same_moment() -> None:
    anna = make_customer().pk
    adjust_points(customer_id=anna, points=100, note="gift", by="x", key="k", now=NOON)

    def reserve(number: int) -> bool:
        try:
            reservation = reserve_points(customer_id=anna, points=30, reference=str(number), now=NOON)
            close_reservation(customer_id=anna, reservation_id=reservation.pk, is_confirmed=True, now=NOON)
            return True
        except PointsError:
            return False
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(reserve, range(8))) == 3
    assert get_balance(anna) == 10
