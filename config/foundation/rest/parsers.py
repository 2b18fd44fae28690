"""The parser of REST request bodies."""

from collections.abc import Mapping
from io import BytesIO
from json import JSONDecodeError
from typing import IO, Any

from django.conf import settings
from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.parsers import JSONParser

from config.foundation.json_nesting import MAX_JSON_DEPTH, NestingError, require_shallow_json

MAX_ENCODING_LENGTH = 50  # of the header in the message


class BoundedJSONParser(JSONParser):
    """Parses JSON whose nesting was checked on its bytes, because a deep body would overflow the stack of the thread."""

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        refuse_content_encoding(parser_context)
        body = stream.read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
        try:
            require_shallow_json(body)
        except NestingError as error:
            raise ParseError(
                _("The JSON is nested more than %(levels)d levels deep.") % {"levels": MAX_JSON_DEPTH}
            ) from error
        try:
            return super().parse(BytesIO(body), media_type, parser_context)
        except ParseError as error:
            raise ParseError(describe_syntax_error(error.__context__)) from error


def refuse_content_encoding(parser_context: Mapping[str, Any] | None) -> None:
    """Raise UnsupportedMediaType for a compressed body (RFC 9110, 15.5.16)."""
    encoding = parser_context["request"].META.get("HTTP_CONTENT_ENCODING", "") if parser_context else ""
    if encoding.strip().lower() not in ("", "identity"):
        text = _("Content-Encoding %(encoding)s is not supported; send the body uncompressed.")
        raise UnsupportedMediaType(encoding, text % {"encoding": encoding[:MAX_ENCODING_LENGTH]})


def describe_syntax_error(error: BaseException | None) -> str:
    """Return the message for a body that cannot be parsed, with the place of the error if it is known."""
    if isinstance(error, JSONDecodeError):
        place = {"line": error.lineno, "column": error.colno}
        return _("The body is not valid JSON: error in line %(line)d, column %(column)d.") % place
    return _("The body is not valid JSON in UTF-8.")
