"""Which address of the shop means which event: read from a small TOML or JSON file, or the paths that most shops use."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from urllib.parse import parse_qsl, unquote

import msgspec
from django.utils.translation import gettext as _

from customers.events.imports.log_format import COMBINED, LogFormat, LogFormatError, compile_format

GROUP = re.compile(r"\{(\w+)(\*)?(?::(\w+))?(\?)?\}")
QUERY_MARK = re.compile(r"\?(?![^{}]*\})")  # not the one in {name?}
VARIABLE = re.compile(r"\$\w+")
CONVERSIONS = {"int": int, "number": float}
SHAPES = {"int": r"\d+", "number": r"\d+(?:\.\d+)?"}
# a permanent redirect only mends the address: the same view comes again under the right one
MOVED_FOR_GOOD = frozenset({301, 308})
MOST_QUERY_FIELDS = 100

Value = str | int | float | bool
Reading = tuple[str, str, bool]  # property, conversion, may be lacking


class MappingError(Exception):
    """The mapping file is missing or wrong; names the entry and what would be right."""


class Entry(msgspec.Struct, forbid_unknown_fields=True):
    """One ``[[events]]`` of the file."""

    path: str
    event: str = ""
    page: str | None = None
    method: str = "GET"
    status: list[int] = []
    properties: dict[str, Value] = {}


class MappingFile(msgspec.Struct, forbid_unknown_fields=True):
    events: list[Entry]
    format: str = COMBINED
    anonymous_id: str = ""
    user_id: str = ""
    address: str = "$remote_addr"
    bots: list[str] = []


@dataclass(frozen=True, slots=True)
class Rule:
    """An entry, ready to be tried on an address."""

    type: str
    name: str
    method: str
    status: frozenset[int]
    path: re.Pattern[str]
    readings: Mapping[str, Reading]  # by name of the path's group
    query: Mapping[str, Reading]  # by name of the URL's parameter
    constants: Mapping[str, Value]

    def takes_status(self, status: int) -> bool:
        return status in self.status if self.status else 200 <= status < 400 and status not in MOVED_FOR_GOOD

    def properties(self, path: str, query: Mapping[str, str]) -> dict[str, Value] | None:
        """What path and query say; None when the address is not this rule's."""
        found = self.path.fullmatch(path)
        if found is None:
            return None
        texts = [
            (reading, text) for group, text in found.groupdict("").items() if (reading := self.readings.get(group))
        ]
        texts += [(reading, query.get(name, "")) for name, reading in self.query.items()]
        properties: dict[str, Value] = dict(self.constants)
        for (name, conversion, optional), text in texts:
            if text == "" and optional:
                continue
            if text == "" or (conversion and not re.fullmatch(SHAPES[conversion], text, re.ASCII)):
                return None
            if not name.startswith("_"):
                properties[name] = CONVERSIONS[conversion](text) if conversion else text
        return properties


@dataclass(frozen=True, slots=True)
class Found:
    """The event that an address means."""

    type: str
    name: str
    properties: dict[str, Value]


@dataclass(frozen=True, slots=True)
class UrlMapping:
    """The whole file, checked. ``anonymous_id``, ``user_id`` and ``address`` are names of variables, or empty."""

    rules: tuple[Rule, ...]
    log_format: LogFormat
    anonymous_id: str
    user_id: str
    address: str
    bots: re.Pattern[str] | None

    @property
    def methods(self) -> frozenset[str]:
        return frozenset(rule.method for rule in self.rules)

    def find(self, *, method: str, target: str, status: int) -> Found | None:
        """The first rule that takes this call decides."""
        path, _mark, query_text = target.partition("?")
        path = clean_path(path)
        query = read_query(query_text) if query_text else {}
        for rule in self.rules:
            if rule.method != method or not rule.takes_status(status):
                continue
            properties = rule.properties(path, query)
            if properties is not None:
                return Found(rule.type, rule.name, properties)
        return None


def clean_path(path: str) -> str:
    """Unquoted, and without the slash at its end: ``/cart/`` is ``/cart``."""
    if "%" in path:
        path = unquote(path, errors="replace")
    return path.rstrip("/") or "/"


def read_query(text: str) -> dict[str, str]:
    """The parameters of a URL; of one that comes twice, the first."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=MOST_QUERY_FIELDS)
    except ValueError:  # more parameters than any page of a shop has
        return {}
    return dict(reversed(pairs))


def read_mapping(path: Path) -> UrlMapping:
    """Reads a mapping file; its ending says whether it is TOML or JSON.

    Raises:
        MappingError: the file or one of its entries is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise MappingError(
            _("There is no mapping file %(file)s. --print-mapping shows the built-in one, to start from.")
            % {"file": path}
        ) from error
    except UnicodeDecodeError as error:
        raise MappingError(_("%(file)s is no UTF-8 text.") % {"file": path}) from error
    except OSError as error:
        raise MappingError(
            _("%(file)s cannot be opened: %(reason)s.") % {"file": path, "reason": error.strerror}
        ) from error
    try:
        return parse_mapping(text, is_json=path.suffix.lower() == ".json")
    except MappingError as error:
        raise MappingError(f"{path}: {error}") from error


def builtin_mapping_text() -> str:
    return (files(__package__) / "shop_paths.toml").read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def builtin_mapping() -> UrlMapping:
    return parse_mapping(builtin_mapping_text(), is_json=False)


def parse_mapping(text: str, *, is_json: bool) -> UrlMapping:
    """Raises MappingError."""
    try:
        loose = msgspec.json.decode(text) if is_json else tomllib.loads(text)
        stated = msgspec.convert(loose, MappingFile)
    except (tomllib.TOMLDecodeError, msgspec.MsgspecError) as error:
        raise MappingError(str(error)) from error
    if not stated.events:
        raise MappingError(_("events is empty: give at least one, with path and event."))
    try:
        log_format = compile_format(stated.format)
    except LogFormatError as error:
        raise MappingError(str(error)) from error
    return UrlMapping(
        rules=tuple(rule_of(entry, f"events[{index}]") for index, entry in enumerate(stated.events)),
        log_format=log_format,
        anonymous_id=variable(stated.anonymous_id, "anonymous_id", log_format),
        user_id=variable(stated.user_id, "user_id", log_format),
        address=variable(stated.address, "address", log_format),
        bots=re.compile("|".join(map(re.escape, stated.bots)), re.IGNORECASE) if stated.bots else None,
    )


def variable(text: str, field: str, log_format: LogFormat) -> str:
    """The name of a variable that the log has."""
    if not text:
        return ""
    if not VARIABLE.fullmatch(text):
        raise MappingError(
            _("%(field)s is %(value)s; give a variable of the format, such as $cookie_visitor.")
            % {"field": field, "value": repr(text)}
        )
    if text[1:] not in log_format.names:
        if field == "address":  # only the visitor's hash needs it, and the log may carry an id
            return ""
        raise MappingError(_("%(field)s: %(value)s is not in format.") % {"field": field, "value": text})
    return text[1:]


def rule_of(entry: Entry, place: str) -> Rule:
    if bool(entry.event) == (entry.page is not None):
        raise MappingError(
            _("%(place)s: give event (its name) or page (the page's name), one of them.") % {"place": place}
        )
    if not entry.path.startswith("/"):
        raise MappingError(
            _("%(place)s.path is %(value)s; give a path such as /product/{product_id}.")
            % {"place": place, "value": repr(entry.path)}
        )
    path, query = [*QUERY_MARK.split(entry.path, maxsplit=1), ""][:2]
    if path.count("{") != len(GROUP.findall(path)):
        raise MappingError(
            _("%(place)s.path: a name in braces has letters, digits and _, such as {product_id}, {rest*}, {page:int}.")
            % {"place": place}
        )
    pattern, readings = path_pattern(path, place)
    return Rule(
        type="track" if entry.event else "page",
        name=entry.event or entry.page or "",
        method=entry.method.upper(),
        status=frozenset(entry.status),
        path=pattern,
        readings=readings,
        query=query_readings(query, place),
        constants=entry.properties,
    )


def path_pattern(path: str, place: str) -> tuple[re.Pattern[str], dict[str, Reading]]:
    pattern: list[str] = []
    readings: dict[str, Reading] = {}
    position = 0
    for found in GROUP.finditer(path):
        name, many, conversion, optional = found.groups()
        before = path[position : found.start()]
        group = f"g{len(readings)}"
        shape = SHAPES[conversion_of(conversion, place)] if conversion else ".+?" if many else "[^/]+?"
        if optional:  # its slash is lacking with it
            bare = before.removesuffix("/")
            pattern.append(f"{re.escape(bare)}(?:{before[len(bare) :]}(?P<{group}>{shape}))?")
        else:
            pattern.append(f"{re.escape(before)}(?P<{group}>{shape})")
        readings[group] = (name, conversion or "", bool(optional))
        position = found.end()
    pattern.append(re.escape(path[position:].rstrip("/") if path != "/" else path[position:]))
    return re.compile("".join(pattern), re.ASCII), readings


def query_readings(query: str, place: str) -> dict[str, Reading]:
    readings: dict[str, Reading] = {}
    for part in filter(None, query.split("&")):
        parameter, _mark, group = part.partition("=")
        found = GROUP.fullmatch(group)
        if not parameter or found is None:
            raise MappingError(
                _(
                    "%(place)s.path: %(part)s; give parameters as q={query}, or page={page:int?} where it may be lacking."
                )
                % {"place": place, "part": repr(part)}
            )
        readings[parameter] = (found[1], conversion_of(found[3], place), bool(found[4]))
    return readings


def conversion_of(name: str | None, place: str) -> str:
    if name and name not in CONVERSIONS:
        raise MappingError(
            _("%(place)s.path: %(name)s is none of %(known)s.")
            % {"place": place, "name": repr(name), "known": ", ".join(CONVERSIONS)}
        )
    return name or ""
