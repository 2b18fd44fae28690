"""The windows of the report: calendar months of the shop's time zone, and the whole time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from recommendations.sending.global_holdout.history import HoldoutRule, build_rule
from recommendations.sending.models import GlobalHoldoutChange


@dataclass(frozen=True)
class ResultWindow:
    """A month, or the whole time since began_at if month is None. began_at: since when the groups have been the same."""

    month: date | None
    began_at: datetime
    since: datetime
    until: datetime


@dataclass(frozen=True)
class HoldoutWindow(ResultWindow):
    """A window of the global holdout group.

    began_at: the start of the first of the consecutive months with the same holdout group. Customers become members at that moment, or
    when they can be sent messages for the first time afterwards.
    """

    rule: HoldoutRule


def start_month(month: date, zone: ZoneInfo) -> datetime:
    return datetime(month.year, month.month, 1, tzinfo=zone)


def find_next_month(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def list_windows(changes: Sequence[GlobalHoldoutChange], *, as_of: datetime, zone: ZoneInfo) -> list[HoldoutWindow]:
    """Return the months with a holdout group for the whole month, oldest first; the current month is included if it has had one so far.

    A month in which the holdout group began or was empty for a moment is left out, because nobody was held out for the whole month.
    """
    windows: list[HoldoutWindow] = []
    if not changes:
        return windows
    month = changes[0].changed_at.astimezone(zone).date().replace(day=1)
    while (since := start_month(month, zone)) <= as_of:
        following = find_next_month(month)
        until = start_month(following, zone)
        rule = build_rule(changes, since=since, until=min(until, as_of))
        if rule.held_out_share and rule.marketing_share:
            previous = windows[-1] if windows else None
            is_continued = previous is not None and previous.until == since and previous.rule.salts == rule.salts
            began_at = previous.began_at if previous is not None and is_continued else since
            windows.append(HoldoutWindow(month, began_at, since, until, rule))
        month = following
    return windows


def build_total(
    windows: Sequence[HoldoutWindow], changes: Sequence[GlobalHoldoutChange], *, as_of: datetime
) -> HoldoutWindow | None:
    """Return the window from the start of the latest consecutive months to their end, or until now; None without a month."""
    if not windows:
        return None
    began_at, until = windows[-1].began_at, min(windows[-1].until, as_of)
    return HoldoutWindow(None, began_at, began_at, until, build_rule(changes, since=began_at, until=until))
