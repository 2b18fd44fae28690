"""Known log lines: the event and the visitor of each, and no stored IP address."""

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


def line(
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


def read(*lines: bytes, mapping: str | None = None) -> tuple[list[dict[str, Any]], Counter[str]]:
    reader = AccessLogReader(load_builtin_mapping() if mapping is None else parse_mapping(mapping, is_json=False))
    items = [json.loads(item) for one in lines if (item := reader.read_item(one)) is not None]
    return items, reader.skipped


def test_product_page_becomes_a_product_view() -> None:
    [item], _skipped = read(
        line(
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
    [item], _skipped = read(line("GET / HTTP/1.1"))
    assert (item["type"], item["name"], item["properties"]) == ("page", "Home", {})


@pytest.mark.parametrize(
    ("skipped", "reason"),
    [
        (line(status=404), "failed_call"),
        (line(status=301), "no_event"),
        (line(status=500), "failed_call"),
        (line(status=499), "failed_call"),
        (line(r"\x16\x03\x01\x02", status=200), "failed_call"),
        (line("-", status=200), "failed_call"),
        (line("GET http://[ HTTP/1.1"), "failed_call"),
        (line("POST /product/7 HTTP/1.1"), "other_method"),
        (line("HEAD /product/7 HTTP/1.1"), "other_method"),
        (line("GET /static/app.js HTTP/1.1"), "no_event"),
        (line(agent="-"), "bot"),
        (line(agent="Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"), "bot"),
    ],
)
def test_skipped_lines_have_a_reason(skipped: bytes, reason: str) -> None:
    assert read(skipped) == ([], Counter({reason: 1}))


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
        assert reader.read_item(line(f"GET {target} HTTP/1.1")) is None
    assert reader.sections == {"/static": 2, "/favicon.ico": 1}


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (b"hello", "unreadable_line"),
        (line(status="ok"), "unreadable_line"),
        (line(at="24/Nov/2026 10:42"), "invalid_time"),
        (line(at="31/Feb/2026:10:42:00 +0000"), "invalid_time"),
        (line(at="24/Nuv/2026:10:42:00 +0000"), "invalid_time"),
    ],
)
def test_unreadable_lines_have_a_reason_without_personal_data(wrong: bytes, code: str) -> None:
    with pytest.raises(LogLineError) as caught:
        read(wrong)
    assert caught.value.code == code
    assert "203.0.113.9" not in caught.value.reason


def test_visitors_are_distinguished_by_ip_address_browser_and_day() -> None:
    items, _skipped = read(
        line("GET /cart HTTP/1.1"),
        line(),
        line(address="203.0.113.10"),
        line(agent=FIREFOX.replace("140", "141")),
        line(at="25/Nov/2026:00:30:00 +0100"),  # still the 24th in UTC
        line(at="25/Nov/2026:10:42:00 +0100"),
    )
    first, same, other_address, other_browser, same_day, next_day = (item["anonymousId"] for item in items)
    assert first == same == same_day
    assert len({first, other_address, other_browser, next_day}) == 4


def test_visitor_hash_depends_on_the_secret_key_and_hides_the_ip_address(settings: Any) -> None:
    [before], _skipped = read(line())
    settings.HASH_KEY = b"another"
    [after], _skipped = read(line())
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
    (known, hashed, same, other), _skipped = read(
        line(more=' "v1" "u1" "198.51.100.1, 10.0.0.1"'),
        line(more=' "-" "-" "198.51.100.1, 10.0.0.1"'),
        line(more=' "-" "-" "198.51.100.1, 10.0.0.2"', address="10.9.9.9"),
        line(more=' "-" "-" "198.51.100.2"'),
        mapping=mapping,
    )
    assert (known["anonymousId"], known["userId"]) == ("v1", "u1")
    assert "userId" not in hashed
    assert hashed["anonymousId"] == same["anonymousId"] != other["anonymousId"]


def test_message_id_depends_on_the_line_and_not_on_its_position() -> None:
    one, two = line(), line("GET /cart HTTP/1.1")
    (first, second), _skipped = read(one, two)
    (again_second, again_first), _skipped = read(two, one)
    assert (first["messageId"], second["messageId"]) == (again_first["messageId"], again_second["messageId"])


def test_equal_lines_are_distinguished_by_their_occurrence() -> None:
    ids = [item["messageId"] for item in read(line(), line(), line("GET /cart HTTP/1.1"), line())[0]]
    assert len(set(ids)) == 4
    assert ids == [item["messageId"] for item in read(line(), line(), line("GET /cart HTTP/1.1"), line())[0]]


def test_log_that_is_repeated_in_a_file_is_imported_once() -> None:
    log = [line(at=f"24/Nov/2026:10:{n // 60:02d}:{n % 60:02d} +0000") for n in range(200)]
    ids = [item["messageId"] for item in read(*log, *log)[0]]
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
    [item], _skipped = read(f'{text};"GET" "/a" 200'.encode(), mapping=mapping)
    assert item["timestamp"] == "2026-11-24T09:42:00+00:00"


@given(
    st.binary(max_size=300)
    | st.builds(
        lambda a, b, c: line(a, status=b, agent=c), st.text(max_size=80), st.integers(0, 999), st.text(max_size=40)
    )
)
def test_any_line_is_parsed_or_rejected(data: bytes) -> None:
    with suppress(LogLineError):
        item = AccessLogReader(load_builtin_mapping()).read_item(data)
        assert item is None or json.loads(item)["type"] in ("track", "page")
