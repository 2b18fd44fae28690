"""Compiles nginx's ``log_format`` into a parser for the lines of an access log."""

import re
from dataclasses import dataclass
from functools import lru_cache

from django.utils.translation import gettext as _

# Apache's "combined" format is identical
COMBINED = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
)
VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
ESCAPE = re.compile(rb'\\(?:x([0-9A-Fa-f]{2})|(["\\])|([nrt]))')
CONTROL = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
# these variables can contain spaces; any other outside quotes is one word
WITH_BLANKS = ("remote_user", "time_local", "upstream_", "http_", "cookie_", "arg_", "request")
TIMES = ("time_iso8601", "time_local", "msec")


class LogFormatError(Exception):
    """A log_format cannot be used."""


@dataclass(frozen=True, slots=True)
class LogFormat:
    """Extracts the variables of a log_format from a line, which may continue after the last one."""

    pattern: re.Pattern[str]
    names: tuple[str, ...]

    def parse_fields(self, line: str) -> dict[str, str] | None:
        """Return the values of the variables, "" for nginx's ``-``; None if the line does not match."""
        match = self.pattern.match(line)
        if match is None:
            return None
        values = match.groups()
        if "\\" in line:
            values = tuple(decode_escapes(value) for value in values)
        return {name: "" if value == "-" else value for name, value in zip(self.names, values, strict=True)}


def decode_escapes(value: str) -> str:
    """Decode nginx's escapes: it writes a byte that is not printable ASCII as ``\\xHH``."""
    return ESCAPE.sub(decode_escape, value.encode()).decode(errors="replace") if "\\" in value else value


def decode_escape(match: re.Match[bytes]) -> bytes:
    code, literal, control = match.groups()
    return bytes([int(code, 16)]) if code else literal or CONTROL[control]


@lru_cache(maxsize=16)
def compile_format(text: str) -> LogFormat:
    """Compile the text in quotes after ``log_format NAME`` in nginx's configuration.

    Raises:
        LogFormatError: a variable is repeated or directly follows another, or a required one is missing.
    """
    pattern, names, position = [], [], 0
    for variable in VARIABLE.finditer(text):
        between = text[position : variable.start()]
        if position and not between:
            raise LogFormatError(
                _("format: add a separator between %(first)s and the variable before it.") % {"first": variable[0]}
            )
        pattern += [
            re.escape(between),
            build_value_pattern(variable[1] or variable[2], between[-1:], text[variable.end() : variable.end() + 1]),
        ]
        names.append(variable[1] or variable[2])
        position = variable.end()
    check_names(names)
    pattern.append(re.escape(text[position:]))
    return LogFormat(re.compile("".join(pattern) + r"(?:\s|$)"), tuple(names))


def build_value_pattern(name: str, before: str, after: str) -> str:
    if before == '"' and after == '"':
        return r'([^"\\]*(?:\\.[^"\\]*)*)'
    if before == "[" and after == "]":
        return r"([^\]]*)"
    if after and name.startswith(WITH_BLANKS):
        return "(.*?)"
    return rf"([^\s{re.escape(after)}]*)" if after and after != " " else r"(\S*)"


def check_names(names: list[str]) -> None:
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise LogFormatError(_("format: $%(name)s appears more than once.") % {"name": doubled[0]})
    if "status" not in names:
        raise LogFormatError(_("format: $status is required."))
    if "request" not in names and not {"request_method", "request_uri"} <= set(names):
        raise LogFormatError(_("format: $request is required, or $request_method and $request_uri."))
    if not set(TIMES) & set(names):
        raise LogFormatError(_("format: a time is required: $time_local, $time_iso8601 or $msec."))
