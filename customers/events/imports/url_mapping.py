"""Maps URLs of a shop to events, by a TOML or JSON file or by the paths that most shops use."""

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

PLACEHOLDER = re.compile(r"\{(\w+)(\*)?(?::(\w+))?(\?)?\}")
PLACEHOLDER_OR_MARK = re.compile(r"\{[^{}]*\}|\?")
VARIABLE = re.compile(r"\$\w+")
CONVERSIONS = {"int": int, "number": float}
CONVERSION_PATTERNS = {"int": r"\d+", "number": r"\d+(?:\.\d+)?"}
# a permanent redirect only corrects the URL: the same view follows under the right one
PERMANENT_REDIRECTS = frozenset({301, 308})
MAX_QUERY_FIELDS = 100

PropertyValue = str | int | float | bool
ParameterSpec = tuple[str, str, bool]  # property, conversion, whether it is optional


class UrlMappingError(Exception):
    """The mapping file is missing or invalid; names the entry and a valid alternative."""


class MappingEntry(msgspec.Struct, forbid_unknown_fields=True):
    """One ``[[events]]`` of the file."""

    path: str
    event: str = ""
    page: str | None = None
    method: str = "GET"
    status: list[int] = []
    properties: dict[str, PropertyValue] = {}


class MappingFile(msgspec.Struct, forbid_unknown_fields=True):
    events: list[MappingEntry]
    format: str = COMBINED
    anonymous_id: str = ""
    user_id: str = ""
    address: str = "$remote_addr"
    bots: list[str] = []


@dataclass(frozen=True, slots=True)
class MappingRule:
    """A compiled entry, ready to be matched against a URL."""

    type: str
    name: str
    method: str
    status: frozenset[int]
    path: re.Pattern[str]
    path_parameters: Mapping[str, ParameterSpec]  # by name of the path's group
    query: Mapping[str, ParameterSpec]  # by name of the URL's parameter
    constants: Mapping[str, PropertyValue]

    def accepts_status(self, status: int) -> bool:
        return status in self.status if self.status else 200 <= status < 400 and status not in PERMANENT_REDIRECTS

    def extract_properties(self, path: str, query: Mapping[str, str]) -> dict[str, PropertyValue] | None:
        """Return the properties in path and query; None if the URL does not match."""
        match = self.path.fullmatch(path)
        if match is None:
            return None
        texts = [
            (reading, text)
            for group, text in match.groupdict("").items()
            if (reading := self.path_parameters.get(group))
        ]
        texts += [(reading, query.get(name, "")) for name, reading in self.query.items()]
        properties: dict[str, PropertyValue] = dict(self.constants)
        for (name, conversion, optional), text in texts:
            if text == "" and optional:
                continue
            if text == "" or (conversion and not re.fullmatch(CONVERSION_PATTERNS[conversion], text, re.ASCII)):
                return None
            if not name.startswith("_"):
                properties[name] = CONVERSIONS[conversion](text) if conversion else text
        return properties


@dataclass(frozen=True, slots=True)
class MappedEvent:
    """The event of a URL."""

    type: str
    name: str
    properties: dict[str, PropertyValue]


@dataclass(frozen=True, slots=True)
class UrlMapping:
    """The validated file; ``anonymous_id``, ``user_id`` and ``address`` are names of log variables, or empty."""

    rules: tuple[MappingRule, ...]
    log_format: LogFormat
    anonymous_id: str
    user_id: str
    address: str
    bots: re.Pattern[str] | None

    @property
    def methods(self) -> frozenset[str]:
        return frozenset(rule.method for rule in self.rules)

    def find(self, *, method: str, target: str, status: int) -> MappedEvent | None:
        """Return the event of the first matching rule."""
        path, _mark, query_text = target.partition("?")
        path = normalize_path(path)
        query = parse_query(query_text) if query_text else {}
        for rule in self.rules:
            if rule.method != method or not rule.accepts_status(status):
                continue
            properties = rule.extract_properties(path, query)
            if properties is not None:
                return MappedEvent(rule.type, rule.name, properties)
        return None


def normalize_path(path: str) -> str:
    """Decode percent escapes and remove trailing slashes: ``/cart/`` becomes ``/cart``."""
    if "%" in path:
        path = unquote(path, errors="replace")
    return path.rstrip("/") or "/"


def parse_query(text: str) -> dict[str, str]:
    """Return the parameters of a URL; the first value of a parameter that is repeated."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=MAX_QUERY_FIELDS)
    except ValueError:  # more parameters than any page of a shop has
        return {}
    return dict(reversed(pairs))


def read_mapping(path: Path) -> UrlMapping:
    """Read a mapping file, TOML or JSON by its extension.

    Raises:
        UrlMappingError: the file or one of its entries is invalid.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise UrlMappingError(
            _("The mapping file %(file)s does not exist. --print-mapping prints the built-in one as a starting point.")
            % {"file": path}
        ) from error
    except UnicodeDecodeError as error:
        raise UrlMappingError(_("%(file)s is not UTF-8 text.") % {"file": path}) from error
    except OSError as error:
        raise UrlMappingError(
            _("%(file)s cannot be opened: %(reason)s.") % {"file": path, "reason": error.strerror}
        ) from error
    try:
        return parse_mapping(text, is_json=path.suffix.lower() == ".json")
    except UrlMappingError as error:
        raise UrlMappingError(f"{path}: {error}") from error


def read_builtin_mapping() -> str:
    return (files(__package__) / "shop_paths.toml").read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def load_builtin_mapping() -> UrlMapping:
    return parse_mapping(read_builtin_mapping(), is_json=False)


def parse_mapping(text: str, *, is_json: bool) -> UrlMapping:
    """Parse and validate the text of a mapping file. Raises UrlMappingError."""
    try:
        decoded = msgspec.json.decode(text) if is_json else tomllib.loads(text)
        mapping_file = msgspec.convert(decoded, MappingFile)
    except (tomllib.TOMLDecodeError, msgspec.MsgspecError) as error:
        raise UrlMappingError(str(error)) from error
    if not mapping_file.events:
        raise UrlMappingError(_("events is empty; add at least one entry with path and event."))
    try:
        log_format = compile_format(mapping_file.format)
    except LogFormatError as error:
        raise UrlMappingError(str(error)) from error
    return UrlMapping(
        rules=tuple(build_rule(entry, f"events[{index}]") for index, entry in enumerate(mapping_file.events)),
        log_format=log_format,
        anonymous_id=resolve_variable(mapping_file.anonymous_id, "anonymous_id", log_format),
        user_id=resolve_variable(mapping_file.user_id, "user_id", log_format),
        address=resolve_variable(mapping_file.address, "address", log_format),
        bots=re.compile("|".join(map(re.escape, mapping_file.bots)), re.IGNORECASE) if mapping_file.bots else None,
    )


def resolve_variable(text: str, field: str, log_format: LogFormat) -> str:
    """Return the name of a variable, which the log format must contain."""
    if not text:
        return ""
    if not VARIABLE.fullmatch(text):
        raise UrlMappingError(
            _("%(field)s is %(value)s; use a variable of the format, such as $cookie_visitor.")
            % {"field": field, "value": repr(text)}
        )
    if text[1:] not in log_format.names:
        if field == "address":  # needed only for the visitor's hash, and the log may contain an id instead
            return ""
        raise UrlMappingError(_("%(field)s: %(value)s is not a variable of format.") % {"field": field, "value": text})
    return text[1:]


def split_query(path: str) -> tuple[str, str]:
    """Split a path pattern at its first question mark outside a placeholder such as ``{name?}``."""
    for match in PLACEHOLDER_OR_MARK.finditer(path):
        if match[0] == "?":
            return path[: match.start()], path[match.end() :]
    return path, ""


def build_rule(entry: MappingEntry, location: str) -> MappingRule:
    if bool(entry.event) == (entry.page is not None):
        raise UrlMappingError(
            _("%(place)s: set either event (the event's name) or page (the page's name).") % {"place": location}
        )
    if not entry.path.startswith("/"):
        raise UrlMappingError(
            _("%(place)s.path is %(value)s; use a path such as /product/{product_id}.")
            % {"place": location, "value": repr(entry.path)}
        )
    path, query = split_query(entry.path)
    if path.count("{") != len(PLACEHOLDER.findall(path)):
        raise UrlMappingError(
            _(
                "%(place)s.path: a name in braces may contain letters, digits and _, such as {product_id}, {rest*}, {page:int}."
            )
            % {"place": location}
        )
    pattern, path_parameters = compile_path(path, location)
    return MappingRule(
        type="track" if entry.event else "page",
        name=entry.event or entry.page or "",
        method=entry.method.upper(),
        status=frozenset(entry.status),
        path=pattern,
        path_parameters=path_parameters,
        query=compile_query(query, location),
        constants=entry.properties,
    )


def compile_path(path: str, location: str) -> tuple[re.Pattern[str], dict[str, ParameterSpec]]:
    pattern: list[str] = []
    path_parameters: dict[str, ParameterSpec] = {}
    position = 0
    for placeholder in PLACEHOLDER.finditer(path):
        name, many, conversion, optional = placeholder.groups()
        before = path[position : placeholder.start()]
        group = f"g{len(path_parameters)}"
        shape = (
            CONVERSION_PATTERNS[check_conversion(conversion, location)] if conversion else ".+?" if many else "[^/]+?"
        )
        if optional:  # if the value is missing, the slash before it is missing too
            bare = before.removesuffix("/")
            pattern.append(f"{re.escape(bare)}(?:{before[len(bare) :]}(?P<{group}>{shape}))?")
        else:
            pattern.append(f"{re.escape(before)}(?P<{group}>{shape})")
        path_parameters[group] = (name, conversion or "", bool(optional))
        position = placeholder.end()
    pattern.append(re.escape(path[position:].rstrip("/") if path != "/" else path[position:]))
    return re.compile("".join(pattern), re.ASCII), path_parameters


def compile_query(query: str, location: str) -> dict[str, ParameterSpec]:
    parameters: dict[str, ParameterSpec] = {}
    for text in filter(None, query.split("&")):
        parameter, _mark, group = text.partition("=")
        placeholder = PLACEHOLDER.fullmatch(group)
        if not parameter or placeholder is None:
            raise UrlMappingError(
                _(
                    "%(place)s.path: %(part)s is not valid; write parameters as q={query}, or page={page:int?} if optional."
                )
                % {"place": location, "part": repr(text)}
            )
        parameters[parameter] = (placeholder[1], check_conversion(placeholder[3], location), bool(placeholder[4]))
    return parameters


def check_conversion(name: str | None, location: str) -> str:
    if name and name not in CONVERSIONS:
        raise UrlMappingError(
            _("%(place)s.path: unknown type %(name)s; valid: %(known)s.")
            % {"place": location, "name": repr(name), "known": ", ".join(CONVERSIONS)}
        )
    return name or ""
