"""Log lines are converted to events and visitors, and no IP address is stored."""

import json
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customers.events.imports.access_log import AccessLogReader, LogLineError, is_bot
from customers.events.imports.url_mapping import load_builtin_mapping, parse_mapping

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def build_line(
    request: str = "GET /product/7 HTTP/1.1",
    *,
    status: int | str = 200,
    address: str = "203.0.113.9",
    at: str = "24/Nov/2026:10:42:00 +0100",
    referrer: str = "-",
    agent: str = FIREFOX,
    more: str = "",
) -> bytes:
    return f'{address} - - [{at}] "{request}" {status} 512 "{referrer}" "{agent}"{more}'.encode()


def read_lines(*lines: bytes, mapping: str | None = None) -> tuple[list[dict[str, Any]], Counter[str]]:
    reader = AccessLogReader(load_builtin_mapping() if mapping is None else parse_mapping(mapping, is_json=False))
    items = [json.loads(item) for line in lines if (item := reader.read_item(line)) is not None]
    return items, reader.skipped


def test_product_page_becomes_a_product_view() -> None:
    [item], _skipped = read_lines(
        build_line(
            "GET /product/7?utm_source=mail&utm_campaign=may&token=secret HTTP/2.0",
            referrer="https://mail.example/read?user=anna#x",
        )
    )
    assert item.pop("messageId").startswith("log-")
    assert item.pop("anonymousId").startswith("log-")
    assert item == {
        "type": "track",
        "event": "Product Viewed",
        "timestamp": "2026-11-24T09:42:00+00:00",
        "properties": {"product_id": "7"},
        "context": {
            "library": {"name": "perennial-access-log"},
            "page": {"path": "/product/7", "referrer": "https://mail.example/read"},
            "userAgent": FIREFOX,
            "campaign": {"source": "mail", "name": "may"},
        },
    }


def test_page_view_has_a_name() -> None:
    [item], _skipped = read_lines(build_line("GET / HTTP/1.1"))
    assert (item["type"], item["name"], item["properties"]) == ("page", "Home", {})


@pytest.mark.parametrize(
    ("skipped", "reason"),
    [
        (build_line(status=404), "failed_call"),
        (build_line(status=301), "no_event"),
        (build_line(status=500), "failed_call"),
        (build_line(status=499), "failed_call"),
        (build_line(r"\x16\x03\x01\x02", status=200), "failed_call"),
        (build_line("-", status=200), "failed_call"),
        (build_line("GET http://[ HTTP/1.1"), "failed_call"),
        (build_line("POST /product/7 HTTP/1.1"), "other_method"),
        (build_line("HEAD /product/7 HTTP/1.1"), "other_method"),
        (build_line("GET /static/app.js HTTP/1.1"), "no_event"),
        (build_line(agent="-"), "bot"),
        (build_line(agent="Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"), "bot"),
    ],
)
def test_skipped_lines_have_a_reason(skipped: bytes, reason: str) -> None:
    assert read_lines(skipped) == ([], Counter({reason: 1}))


@pytest.mark.parametrize(
    "agent",
    [
        "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
        "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
        "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
        "Mozilla/5.0 (compatible; YandexBot/3.0)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
        "facebookexternalhit/1.1",
        "curl/8.5.0",
        "python-requests/2.32.3",
        "Go-http-client/2.0",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/130.0 Safari/537.36",
        "Mozilla/5.0 (compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
        "",
    ],
)
def test_bots_are_recognized_by_their_user_agent(agent: str) -> None:
    assert is_bot(agent)


@pytest.mark.parametrize(
    "agent",
    [
        FIREFOX,
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
        "Mozilla/5.0 (Linux; Android 11; CUBOT X30) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Mobile Safari/537.36 MicroMessenger/8.0",
    ],
)
def test_browsers_are_not_bots(agent: str) -> None:
    assert not is_bot(agent)


def test_unmapped_urls_are_counted_by_their_first_segment() -> None:
    reader = AccessLogReader(load_builtin_mapping())
    for target in ("/static/a.js", "/static/b/c.css?v=1", "/favicon.ico"):
        assert reader.read_item(build_line(f"GET {target} HTTP/1.1")) is None
    assert reader.sections == {"/static": 2, "/favicon.ico": 1}


@pytest.mark.parametrize(
    ("invalid", "code"),
    [
        (b"hello", "unreadable_line"),
        (build_line(status="ok"), "unreadable_line"),
        (build_line(at="24/Nov/2026 10:42"), "invalid_time"),
        (build_line(at="31/Feb/2026:10:42:00 +0000"), "invalid_time"),
        (build_line(at="24/Nuv/2026:10:42:00 +0000"), "invalid_time"),
    ],
)
def test_unreadable_lines_have_a_reason_without_personal_data(invalid: bytes, code: str) -> None:
    with pytest.raises(LogLineError) as error_info:
        read_lines(invalid)
    assert error_info.value.code == code
    assert "203.0.113.9" not in error_info.value.reason


def test_visitors_are_distinguished_by_ip_address_browser_and_day() -> None:
    items, _skipped = read_lines(
        build_line("GET /cart HTTP/1.1"),
        build_line(),
        build_line(address="203.0.113.10"),
        build_line(agent=FIREFOX.replace("140", "141")),
        build_line(at="25/Nov/2026:00:30:00 +0100"),  # still the 24th in UTC
        build_line(at="25/Nov/2026:10:42:00 +0100"),
    )
    first, same, other_address, other_browser, same_day, next_day = (item["anonymousId"] for item in items)
    assert first == same == same_day
    assert len({first, other_address, other_browser, next_day}) == 4


def test_visitor_hash_depends_on_the_secret_key_and_hides_the_ip_address(settings: Any) -> None:
    [before], _skipped = read_lines(build_line())
    settings.HASH_KEYS = ["another"]
    [after], _skipped = read_lines(build_line())
    assert before["anonymousId"] != after["anonymousId"]
    assert before["messageId"] != after["messageId"]
    assert "203.0.113.9" not in json.dumps([before, after])


def test_ids_are_read_from_the_log_variables_of_the_mapping() -> None:
    mapping = """
format = '''$remote_addr - - [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" \
"$cookie_visitor" "$cookie_user" "$http_x_forwarded_for"'''
anonymous_id = "$cookie_visitor"
user_id = "$cookie_user"
address = "$http_x_forwarded_for"
[[events]]
path = "/product/{product_id}"
event = "Product Viewed"
"""
    (with_ids, without_ids, same, other_visitor), _skipped = read_lines(
        build_line(more=' "v1" "u1" "198.51.100.1, 10.0.0.1"'),
        build_line(more=' "-" "-" "198.51.100.1, 10.0.0.1"'),
        build_line(more=' "-" "-" "198.51.100.1, 10.0.0.2"', address="10.9.9.9"),
        build_line(more=' "-" "-" "198.51.100.2"'),
        mapping=mapping,
    )
    assert (with_ids["anonymousId"], with_ids["userId"]) == ("v1", "u1")
    assert "userId" not in without_ids
    assert without_ids["anonymousId"] == same["anonymousId"] != other_visitor["anonymousId"]


def test_message_id_depends_on_the_line_and_not_on_its_position() -> None:
    product_line, cart_line = build_line(), build_line("GET /cart HTTP/1.1")
    (first, second), _skipped = read_lines(product_line, cart_line)
    (second_again, first_again), _skipped = read_lines(cart_line, product_line)
    assert (first["messageId"], second["messageId"]) == (first_again["messageId"], second_again["messageId"])


def test_equal_lines_are_distinguished_by_their_occurrence() -> None:
    ids = [
        item["messageId"]
        for item in read_lines(build_line(), build_line(), build_line("GET /cart HTTP/1.1"), build_line())[0]
    ]
    assert len(set(ids)) == 4
    assert ids == [
        item["messageId"]
        for item in read_lines(build_line(), build_line(), build_line("GET /cart HTTP/1.1"), build_line())[0]
    ]


def test_log_that_is_repeated_in_a_file_is_imported_once() -> None:
    log = [build_line(at=f"24/Nov/2026:10:{n // 60:02d}:{n % 60:02d} +0000") for n in range(200)]
    ids = [item["messageId"] for item in read_lines(*log, *log)[0]]
    assert len(ids) == 400
    assert len(set(ids)) == 200


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("$time_iso8601", "2026-11-24T10:42:00+01:00"),
        ("$msec", "1795513320.000"),
        ("$time_local", "24/Nov/2026:09:42:00 +0000"),
    ],
)
def test_every_time_format_is_parsed(variable: str, text: str) -> None:
    mapping = (
        f"""format = '{variable};"$request_method" "$request_uri" $status'\n[[events]]\npath = "/a"\nevent = "A"\n"""
    )
    [item], _skipped = read_lines(f'{text};"GET" "/a" 200'.encode(), mapping=mapping)
    assert item["timestamp"] == "2026-11-24T09:42:00+00:00"


@given(
    st.binary(max_size=300)
    | st.builds(
        lambda a, b, c: build_line(a, status=b, agent=c),
        st.text(max_size=80),
        st.integers(0, 999),
        st.text(max_size=40),
    )
)
def test_any_line_is_parsed_or_rejected(data: bytes) -> None:
    with suppress(LogLineError):
        item = AccessLogReader(load_builtin_mapping()).read_item(data)
        assert item is None or json.loads(item)["type"] in ("track", "page")
