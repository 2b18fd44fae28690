"""The loops over the bytes of a batch, compiled by Numba: they find the fields of ordinary events without building Python objects.

An event is ordinary if its row follows from a few short texts in it. Everything else is left to the parser of single events: escaped
characters, values of unexpected types, lists of products, names that may be personal, texts that look personal, large numbers.
`scanned_events` turns what is found into rows.
"""

import numpy as np
import numpy.typing as npt

from config.foundation.kernels.compilation import make_jit

compiled = make_jit(nogil=True)

# The limits of the parser, in bytes where it counts characters. They are repeated here because Numba compiles them into its cache, which it
# renews only when this file changes; a test compares them with those of the parser.
MAX_DEPTH, MAX_EVENT_BYTES = 60, 32 * 1024
MAX_NAME, MAX_ID, MAX_MESSAGE_ID, MAX_PRODUCT_ID = 200, 255, 99, 200
MAX_SESSION_ID, MAX_RECOMMENDATION_ID = 100, 64
MIN_RUN = 11  # digits, signs and separators, as in `recognition.may_have_number`
MAX_NUMBER_LENGTH = MIN_RUN - 1  # a longer number can look personal, or is not stored as it is written
# Texts that are cached must be short, because anyone can send many of them.
MAX_TIME, MAX_AMOUNT, CURRENCY_LETTERS, MAX_CONSENT = 100, 40, 3, 2000

QUOTE, BACKSLASH, COLON, COMMA, MINUS = 34, 92, 58, 44, 45
OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT = 91, 93, 123, 125
ZERO, FOUR, NINE, SPACE, LOWER_E, LOWER_N, LOWER_T, UPPER_E = 48, 52, 57, 32, 101, 110, 116, 69

# kinds of values
ABSENT, TEXT, INTEGER, NUMBER, LITERAL, OBJECT, LIST, LARGE_NUMBER = range(8)

# classes of the bytes in a text, and marks of a text
OTHER, IN_RUN, ENDS_TEXT, ESCAPES, IS_ADDRESS, IS_QUERY, IS_PERCENT = range(7)
HAS_ESCAPE, HAS_ADDRESS, HAS_NUMBER, HAS_QUERY = 1, 2, 4, 8
CLASSES = np.zeros(256, np.uint8)
CLASSES[list(b"0123456789+ -()/")] = IN_RUN
CLASSES[list(b'"\\@?%')] = ENDS_TEXT, ESCAPES, IS_ADDRESS, IS_QUERY, IS_PERCENT
OFFSET_BASIS, PRIME = 14695981039346656037, 1099511628211

# the fields that are read; their order is that of the first names of each table
ITEM_FIELDS = (
    *("type", "event", "messageId", "userId", "anonymousId", "timestamp", "originalTimestamp", "sentAt", "name"),
    *("category", "properties", "context"),
)
TYPE, EVENT, MESSAGE_ID, USER_ID, ANONYMOUS_ID, TIMESTAMP, ORIGINAL, SENT_AT, NAME, CATEGORY, PROPERTIES, CONTEXT = (
    range(12)
)
PROPERTY_FIELDS = (
    *("product_id", "productId", "item_id", "sku", "products", "items", "total", "revenue", "value", "currency"),
    *("recommendation_id", "session_id"),
)
PRODUCT_ID, SKU, PRODUCTS, ITEMS, TOTAL, VALUE, CURRENCY, RECOMMENDATION_ID, SESSION = 0, 3, 4, 5, 6, 8, 9, 10, 11
CONTEXT_FIELDS = ("sessionId", "userAgent", "consent", "consentManagement")
SESSION_ID, USER_AGENT, CONSENT, CONSENT_MANAGEMENT = range(4)
N_FIELDS = 12

TRACK = np.frombuffer(b"track", np.uint8)
PAGE = np.frombuffer(b"page", np.uint8)
SCREEN = np.frombuffer(b"screen", np.uint8)
BATCH = np.frombuffer(b"batch", np.uint8)

# the columns of a scanned event: two flags, then the begin and the end of each part, which are equal where it is missing
PARTS = (
    "item", "type", "name", "message_id", "user_id", "anonymous_id", "time", "sent_at", "properties", "context", "session_id",
    "product_id", "amount", "currency", "recommendation_id", "user_agent", "consent", "consent_management",
)  # fmt: skip
N_COLUMNS = 2 + 2 * len(PARTS)
_IS_ORDINARY, _IS_TRACK = 0, 1
(_ITEM, _TYPE, _NAME, _MESSAGE_ID, _USER_ID, _ANONYMOUS_ID, _TIME, _SENT_AT, _PROPERTIES, _CONTEXT, _SESSION_ID, _PRODUCT_ID, _AMOUNT,
 _CURRENCY, _RECOMMENDATION_ID, _USER_AGENT, _CONSENT, _CONSENT_MANAGEMENT) = range(2, N_COLUMNS, 2)  # fmt: skip

type Bytes = npt.NDArray[np.uint8]
type Spans = npt.NDArray[np.int32]
type Fields = npt.NDArray[np.int32]  # (3, N_FIELDS, 3)
type Flags = npt.NDArray[np.bool_]
# slots, begin of each name, their bytes, and whether an ordinary event may have the name
type Table = tuple[Spans, Spans, Bytes, Flags]


@compiled
def read_name(data: Bytes, i: int) -> tuple[int, int]:
    """Return the position of the closing quote of a name that begins at ``i``, and its FNV-1a hash; 0 if a character is escaped."""
    value = np.uint64(OFFSET_BASIS)
    is_escaped = False
    i += 1
    while i < len(data) and data[i] != QUOTE:
        if data[i] == BACKSLASH:
            is_escaped = True
            i += 1
        else:
            value = (value ^ np.uint64(data[i])) * np.uint64(PRIME)
        i += 1
    return i, np.uint64(0) if is_escaped else value  # type: ignore[return-value]  # Numba's integers are Python's here


@compiled
def find_name(data: Bytes, begin: int, end: int, value: int, slots: Spans, starts: Spans, names: Bytes) -> int:
    """Return the position of a name with this hash in a table, or -1."""
    mask = np.int64(len(slots) - 1)
    slot = np.int64(value) & mask
    while slots[slot] >= 0:
        row = slots[slot]
        if starts[row + 1] - starts[row] == end - begin:
            offset = starts[row] - begin
            i = begin
            while i < end and names[offset + i] == data[i]:
                i += 1
            if i == end:
                return row
        slot = (slot + 1) & mask
    return -1


@compiled
def fill_slots(slots: Spans, starts: Spans, names: Bytes) -> None:
    """Put the names of a table into its slots."""
    mask = np.int64(len(slots) - 1)
    for row in range(len(starts) - 1):
        value = np.uint64(OFFSET_BASIS)
        for i in range(starts[row], starts[row + 1]):
            value = (value ^ np.uint64(names[i])) * np.uint64(PRIME)
        slot = np.int64(value) & mask
        while slots[slot] >= 0:
            slot = (slot + 1) & mask
        slots[slot] = row


@compiled
def skip_text(data: Bytes, i: int) -> tuple[int, bool]:
    """Return the position of the closing quote of a text that begins at ``i``, and whether a character in it is escaped."""
    is_escaped = False
    i += 1
    while i < len(data) and data[i] != QUOTE:
        if data[i] == BACKSLASH:
            is_escaped = True
            i += 1
        i += 1
    return i, is_escaped


@compiled
def examine_text(data: Bytes, i: int, classes: Bytes) -> tuple[int, int]:
    """Return the position of the closing quote of a text that begins at ``i``, and the marks of what is in it."""
    marks = run = 0
    i += 1
    while i < len(data):
        kind = classes[data[i]]
        if kind == IN_RUN:
            run += 1
            if run == MIN_RUN:
                marks |= HAS_NUMBER
        else:
            run = 0
            if kind != OTHER:
                if kind == ENDS_TEXT:
                    break
                if kind == ESCAPES:
                    marks |= HAS_ESCAPE
                    i += 1
                elif kind == IS_ADDRESS:
                    marks |= HAS_ADDRESS
                elif kind == IS_QUERY:
                    marks |= HAS_QUERY
                elif i + 2 < len(data) and data[i + 1] == FOUR and data[i + 2] == ZERO:
                    marks |= HAS_ADDRESS
        i += 1
    return i, marks


@compiled
def skip_space(data: Bytes, i: int) -> int:
    """Return the position of the next byte that is not whitespace."""
    while i < len(data) and data[i] <= SPACE:
        i += 1
    return i


@compiled
def read_kind(data: Bytes, i: int) -> tuple[int, int]:
    """Return the kind of the value that begins at ``i``, and its end; for a text, object or list, its beginning instead of its end."""
    first = data[i]
    if first == QUOTE:
        return TEXT, i
    if first == OPEN_OBJECT:
        return OBJECT, i
    if first == OPEN_LIST:
        return LIST, i
    end = i
    kind = INTEGER if first == MINUS or (first >= ZERO and first <= NINE) else LITERAL
    while (
        end < len(data)
        and data[end] > SPACE
        and data[end] != COMMA
        and data[end] != CLOSE_OBJECT
        and data[end] != CLOSE_LIST
    ):
        byte = data[end]
        if kind == INTEGER and (byte < ZERO or byte > NINE) and end > i:
            kind = NUMBER
        if kind == NUMBER and (byte in (LOWER_E, UPPER_E)):
            return LARGE_NUMBER, end
        end += 1
    if kind != LITERAL and end - i > MAX_NUMBER_LENGTH:
        return LARGE_NUMBER, end
    return kind, end


@compiled
def scan_object(
    data: Bytes, i: int, table: Table, checks_inner_names: bool, fields: Spans, classes: Bytes
) -> tuple[int, int]:
    """Read an object that begins at ``i``; return the position after it, and the marks of what is in it.

    The position is -1 if an ordinary event cannot have the object.

    Args:
        checks_inner_names: whether the names of inner objects must be in the table too.
        fields: (N_FIELDS, 3): kind, begin and end of the values of the first names of the table; is filled.
    """
    slots, starts, names, is_allowed = table
    for field in range(N_FIELDS):
        fields[field, 0] = ABSENT
    depth, marks, i = 1, 0, i + 1
    while i < len(data):
        byte = data[i]
        if byte == QUOTE:
            begin = i + 1
            is_name_read = depth == 1 or checks_inner_names
            if not is_name_read:
                i, found = examine_text(data, i, classes)
                marks |= found
                i += 1
                continue
            end, value = read_name(data, i)
            i = skip_space(data, end + 1)
            if i >= len(data) or data[i] != COLON:  # a text in a list
                _end, found = examine_text(data, begin - 1, classes)
                marks |= found
                continue
            row = find_name(data, begin, end, value, slots, starts, names) if value else -1
            if row < 0 or not is_allowed[row]:
                return -1, marks
            i = skip_space(data, i + 1)
            if i >= len(data):
                return -1, marks
            begin = i
            if data[i] == QUOTE:
                i, found = examine_text(data, i, classes)
                marks |= found
                kind, begin, end, i = TEXT, begin + 1, i, i + 1
            else:
                kind, end = read_kind(data, i)
                if kind == LARGE_NUMBER:
                    return -1, marks
                i = end
            if depth == 1 and row < N_FIELDS:
                fields[row, 0], fields[row, 1], fields[row, 2] = kind, begin, end
            continue
        if byte in (OPEN_OBJECT, OPEN_LIST):
            depth += 1
            if depth > MAX_DEPTH:
                return -1, marks
        elif byte in (CLOSE_OBJECT, CLOSE_LIST):
            depth -= 1
            if depth == 0:
                return i + 1, marks
        elif byte == MINUS or (byte >= ZERO and byte <= NINE):
            kind, i = read_kind(data, i)
            if kind == LARGE_NUMBER:
                return -1, marks
            continue
        i += 1
    return -1, marks


@compiled
def skip_value(data: Bytes, i: int) -> tuple[int, bool]:
    """Return the position after a value that begins at ``i``, and whether no character in it is escaped."""
    if data[i] == QUOTE:
        i, is_escaped = skip_text(data, i)
        return i + 1, not is_escaped
    if data[i] != OPEN_OBJECT and data[i] != OPEN_LIST:
        kind, i = read_kind(data, i)
        return skip_space(data, i), kind != LARGE_NUMBER
    depth = 0
    is_plain = True
    while i < len(data):
        byte = data[i]
        if byte == QUOTE:
            i, is_escaped = skip_text(data, i)
            is_plain &= not is_escaped
        elif byte in (OPEN_OBJECT, OPEN_LIST):
            depth += 1
            is_plain &= depth <= MAX_DEPTH
        elif byte in (CLOSE_OBJECT, CLOSE_LIST):
            depth -= 1
            if depth == 0:
                return i + 1, is_plain
        i += 1
    return i, False


@compiled
def equals(data: Bytes, begin: int, end: int, text: Bytes) -> bool:
    """Return whether the bytes from ``begin`` to ``end`` equal a text."""
    i = 0
    while i < len(text) and begin + i < end and data[begin + i] == text[i]:
        i += 1
    return i == len(text) and begin + i == end


@compiled
def copy_text(fields: Spans, field: int, max_bytes: int, row: Spans, column: int) -> bool:
    """Copy the span of a text to a column; return whether the value is a text of at most so many bytes, a literal, or missing."""
    kind, begin, end = fields[field, 0], fields[field, 1], fields[field, 2]
    row[column] = row[column + 1] = 0
    if kind == TEXT:
        row[column], row[column + 1] = begin, end
        return end - begin <= max_bytes
    return kind in (ABSENT, LITERAL)


@compiled
def is_null(data: Bytes, fields: Spans, field: int) -> bool:
    """Return whether a field is missing or null."""
    return fields[field, 0] == ABSENT or (fields[field, 0] == LITERAL and data[fields[field, 1]] == LOWER_N)


@compiled
def copy_optional(data: Bytes, fields: Spans, field: int, max_bytes: int, row: Spans, column: int) -> bool:
    """Copy the span of a text to a column; return whether it is missing or null, or a text of at most so many bytes."""
    return copy_text(fields, field, max_bytes, row, column) and (
        fields[field, 0] == TEXT or is_null(data, fields, field)
    )


@compiled
def read_item_fields(data: Bytes, fields: Spans, row: Spans) -> bool:
    """Copy the fields of an item itself to its row; return whether they are those of an ordinary event."""
    if fields[TYPE, 0] != TEXT:
        return False
    begin, end = fields[TYPE, 1], fields[TYPE, 2]
    row[_TYPE], row[_TYPE + 1] = begin, end
    if equals(data, begin, end, TRACK):
        row[_IS_TRACK] = 1
    elif not (equals(data, begin, end, PAGE) or equals(data, begin, end, SCREEN)):
        return False
    if row[_IS_TRACK]:
        if fields[EVENT, 0] != TEXT or fields[EVENT, 1] == fields[EVENT, 2]:
            return False
        if not copy_text(fields, EVENT, MAX_NAME, row, _NAME):
            return False
    elif not (copy_optional(data, fields, NAME, MAX_NAME, row, _NAME) and is_null(data, fields, CATEGORY)):
        return False
    time = ORIGINAL if not is_null(data, fields, ORIGINAL) else TIMESTAMP
    return (
        copy_optional(data, fields, MESSAGE_ID, MAX_MESSAGE_ID, row, _MESSAGE_ID)
        and copy_optional(data, fields, USER_ID, MAX_ID, row, _USER_ID)
        and copy_optional(data, fields, ANONYMOUS_ID, MAX_ID, row, _ANONYMOUS_ID)
        and copy_optional(data, fields, time, MAX_TIME, row, _TIME)
        and copy_optional(data, fields, SENT_AT, MAX_TIME, row, _SENT_AT)
    )


@compiled
def read_properties(data: Bytes, fields: Spans, row: Spans) -> bool:
    """Copy the properties that have a column to the row; return whether they are those of an ordinary event."""
    if fields[PRODUCTS, 0] == LIST or fields[ITEMS, 0] == LIST:
        return False
    for field in range(PRODUCT_ID, SKU + 1):
        kind, begin, end = fields[field, 0], fields[field, 1], fields[field, 2]
        if (kind == TEXT and end > begin) or (kind == INTEGER and data[begin] != MINUS):
            if end - begin > MAX_PRODUCT_ID:
                return False
            row[_PRODUCT_ID], row[_PRODUCT_ID + 1] = begin, end
            break
        if kind == INTEGER:
            return False
    for field in range(TOTAL, VALUE + 1):
        kind, begin, end = fields[field, 0], fields[field, 1], fields[field, 2]
        if (kind == TEXT and end > begin) or kind in (INTEGER, NUMBER):
            if end - begin > MAX_AMOUNT:
                return False
            row[_AMOUNT], row[_AMOUNT + 1] = begin, end
            break
    if fields[CURRENCY, 0] == TEXT and fields[CURRENCY, 2] - fields[CURRENCY, 1] == CURRENCY_LETTERS:
        row[_CURRENCY], row[_CURRENCY + 1] = fields[CURRENCY, 1], fields[CURRENCY, 2]
    kind = fields[RECOMMENDATION_ID, 0]
    return kind != INTEGER and (
        kind != TEXT or copy_text(fields, RECOMMENDATION_ID, MAX_RECOMMENDATION_ID, row, _RECOMMENDATION_ID)
    )


@compiled
def read_session(data: Bytes, fields: Spans, field: int, row: Spans) -> bool:
    """Copy the ID of a session to the row; return whether it is a short text, or missing, null or false."""
    kind, begin, end = fields[field, 0], fields[field, 1], fields[field, 2]
    if kind == TEXT and end > begin:
        row[_SESSION_ID], row[_SESSION_ID + 1] = begin, end
        return end - begin <= MAX_SESSION_ID
    return kind in (ABSENT, TEXT) or (kind == LITERAL and data[begin] != LOWER_T)


@compiled
def scan_properties(data: Bytes, i: int, table: Table, fields: Spans, classes: Bytes, row: Spans) -> tuple[int, bool]:
    """Read the properties of an item from ``i``; return the position after them, or -1 if the event is not ordinary.

    Also return whether the ID of a session among them is usable.
    """
    end, marks = scan_object(data, i, table, True, fields, classes)
    if end < 0 or marks & (HAS_ESCAPE | HAS_ADDRESS | HAS_NUMBER) or not read_properties(data, fields, row):
        return -1, False
    row[_PROPERTIES], row[_PROPERTIES + 1] = i, end
    return end, read_session(data, fields, SESSION, row)


@compiled
def scan_context(data: Bytes, i: int, table: Table, fields: Spans, classes: Bytes, row: Spans) -> int:
    """Read the context of an item from ``i``, except for its session; return the position after it, or -1 if the event is not ordinary."""
    end, marks = scan_object(data, i, table, False, fields, classes)
    has_number_in_query = marks & HAS_QUERY and marks & HAS_NUMBER
    if end < 0 or marks & (HAS_ESCAPE | HAS_ADDRESS) or has_number_in_query:
        return -1
    row[_CONTEXT], row[_CONTEXT + 1] = i, end
    if fields[USER_AGENT, 0] == TEXT:
        row[_USER_AGENT], row[_USER_AGENT + 1] = fields[USER_AGENT, 1], fields[USER_AGENT, 2]
    for field, column in ((CONSENT, _CONSENT), (CONSENT_MANAGEMENT, _CONSENT_MANAGEMENT)):
        if fields[field, 0] == OBJECT:
            row[column] = fields[field, 1]
            row[column + 1], _is_plain = skip_value(data, fields[field, 1])
            if row[column + 1] - row[column] > MAX_CONSENT:
                return -1
        elif fields[field, 0] != ABSENT:
            return -1
    return end


@compiled
def scan_item(
    data: Bytes,
    i: int,
    item_table: Table,
    property_table: Table,
    context_table: Table,
    classes: Bytes,
    work: Fields,
    row: Spans,
) -> int:
    """Fill the row of an item that begins at ``i``; return the position after it, or -1 if it is not an ordinary event."""
    fields, properties, context = work[0], work[1], work[2]
    for field in range(N_FIELDS):
        fields[field, 0] = properties[field, 0] = context[field, 0] = ABSENT
    for column in range(len(row)):
        row[column] = 0
    begin, is_session_usable = i, True
    i += 1
    while i < len(data) and data[i] != CLOSE_OBJECT:
        if data[i] != QUOTE:
            i += 1
            continue
        name = i + 1
        name_end, value = read_name(data, i)
        i = skip_space(data, skip_space(data, name_end + 1) + 1)
        if not value or i >= len(data):
            return -1
        field = find_name(data, name, name_end, value, item_table[0], item_table[1], item_table[2])
        if data[i] == OPEN_OBJECT and (field in (PROPERTIES, CONTEXT)):
            if fields[field, 0] != ABSENT:
                return -1  # named twice
            fields[field, 0] = OBJECT
            if field == PROPERTIES:
                i, is_session_usable = scan_properties(data, i, property_table, properties, classes, row)
            else:
                i = scan_context(data, i, context_table, context, classes, row)
            if i < 0:
                return -1
            continue
        kind, _end = read_kind(data, i)
        value_begin = i
        i, is_plain = skip_value(data, i)
        if not is_plain:
            return -1
        if field >= 0 and kind == TEXT:
            fields[field, 0], fields[field, 1], fields[field, 2] = TEXT, value_begin + 1, i - 1
        elif field >= 0:
            fields[field, 0], fields[field, 1], fields[field, 2] = kind, value_begin, i
    i += 1
    if i > len(data) or i - begin > MAX_EVENT_BYTES or not read_item_fields(data, fields, row):
        return -1
    if not (fields[PROPERTIES, 0] == OBJECT or is_null(data, fields, PROPERTIES)):
        return -1
    if not (fields[CONTEXT, 0] == OBJECT or is_null(data, fields, CONTEXT)):
        return -1
    if context[SESSION_ID, 0] == TEXT and context[SESSION_ID, 2] > context[SESSION_ID, 1]:
        is_session_usable = True  # the session ID in the properties does not count
    if not (read_session(data, context, SESSION_ID, row) and is_session_usable):
        return -1
    row[_ITEM], row[_ITEM + 1] = begin, i
    return i


@compiled
def scan_batch(
    data: Bytes, item_table: Table, property_table: Table, context_table: Table, classes: Bytes, rows: Spans
) -> int:
    """Fill a row for each item of ``{"batch": [ … ]}``, which is valid JSON; return the number of items, or -1 if they do not fit.

    Args:
        classes: `CLASSES`.
        rows: (n, N_COLUMNS), of which the first are filled.
    """
    work = np.empty((3, N_FIELDS, 3), np.int32)
    count = -1
    i = skip_space(data, 0)
    if i >= len(data) or data[i] != OPEN_OBJECT:
        return -1
    i += 1
    while i < len(data):
        if data[i] != QUOTE:
            i += 1
            continue
        begin = i + 1
        end, is_escaped = skip_text(data, i)
        i = skip_space(data, skip_space(data, end + 1) + 1)
        if is_escaped or i >= len(data):
            return -1
        if not equals(data, begin, end, BATCH):
            i, _is_plain = skip_value(data, i)
            continue
        if count >= 0 or data[i] != OPEN_LIST:
            return -1
        count = 0
        i = skip_space(data, i + 1)
        while i < len(data) and data[i] != CLOSE_LIST:
            if count == len(rows):
                return -1
            end = -1
            if data[i] == OPEN_OBJECT:
                end = scan_item(data, i, item_table, property_table, context_table, classes, work, rows[count])
            rows[count, _IS_ORDINARY] = end >= 0
            if end < 0:
                end, _is_plain = skip_value(data, i)
            count += 1
            i = skip_space(data, end)
            if i < len(data) and data[i] == COMMA:
                i = skip_space(data, i + 1)
        i += 1
    return count
