"""Phone numbers in one form: with the country code, even if they were entered without it."""

import re
import unicodedata

CALLING_CODES = {
    "AT": "43", "AU": "61", "BE": "32", "BR": "55", "CA": "1", "CH": "41", "CN": "86", "CZ": "420", "DE": "49", "DK": "45",
    "ES": "34", "FI": "358", "FR": "33", "GB": "44", "HK": "852", "IE": "353", "IN": "91", "IT": "39", "JP": "81", "KR": "82",
    "MO": "853", "MX": "52", "NL": "31", "NO": "47", "NZ": "64", "PL": "48", "PT": "351", "SE": "46", "SG": "65", "TW": "886",
    "US": "1",
}  # fmt: skip
# How numbers are written within the country: the prefix that is dialed there only, and the digits that follow the country code.
# A number of another length or beginning stays as it is, because it may be an extension, a short code or one of another country.
NATIONAL_FORMS = {
    country: re.compile(pattern)
    for country, pattern in {
        "AT": r"0([1-9]\d{6,11})", "AU": r"0([2-478]\d{8})", "BE": r"0([1-9]\d{7,8})", "BR": r"0?([1-9]{2}9?\d{8})",
        "CA": r"1?([2-9]\d{2}[2-9]\d{6})", "CH": r"0([1-9]\d{8})", "CN": r"(?:86)?(1[3-9]\d{9})|0([1-9]\d{9,10})",
        "CZ": r"([2-9]\d{8})", "DE": r"0([1-9]\d{6,10})", "DK": r"([2-9]\d{7})", "ES": r"([6-9]\d{8})",
        "FI": r"0([1-9]\d{5,10})", "FR": r"0([1-9]\d{8})", "GB": r"0([1-9]\d{8,9})", "HK": r"([2-9]\d{7})",
        "IE": r"0([1-9]\d{6,9})", "IN": r"0?([6-9]\d{9})", "IT": r"(3\d{8,9}|0\d{5,10})", "JP": r"0([1-9]\d{8,9})",
        "KR": r"0([1-9]\d{7,9})", "MO": r"([268]\d{7})", "MX": r"([1-9]\d{9})", "NL": r"0([1-9]\d{8})",
        "NO": r"([2-9]\d{7})", "NZ": r"0([2-9]\d{7,9})", "PL": r"([1-9]\d{8})", "PT": r"([29]\d{8})",
        "SE": r"0([1-9]\d{6,9})", "SG": r"([3689]\d{7})", "TW": r"0([2-9]\d{7,8})", "US": r"1?([2-9]\d{2}[2-9]\d{6})",
    }.items()
}  # fmt: skip


PHONE_CHARACTERS = re.compile(r"\+?[0-9 ()./-]{5,30}")
MIN_DIGITS = 5


def is_phone_number(text: str) -> bool:
    """Return whether a text can be a phone number: digits and what is written between them."""
    return bool(PHONE_CHARACTERS.fullmatch(text)) and sum(map(str.isdigit, text)) >= MIN_DIGITS


def normalize_number(phone: str, country: str = "") -> str:
    """Return the digits, with a plus and the country code if they are known.

    country: that of numbers without a country code, such as CN; "" leaves these as they are. A leading 00 is a plus.
    """
    text = unicodedata.normalize("NFKC", phone).strip()
    digits = re.sub(r"\D", "", text)
    if text.startswith(("+", "00")):
        return f"+{digits.removeprefix('00')}"
    form = NATIONAL_FORMS.get(country)
    match = form.fullmatch(digits) if form is not None else None
    if match is None:
        return digits
    return f"+{CALLING_CODES[country]}{next(group for group in match.groups() if group)}"


def list_number_forms(number: str, country: str) -> list[str]:
    """Return the forms in which a normalized number may have been stored while the shop had no country: itself, and without the code."""
    code = f"+{CALLING_CODES[country]}" if country in CALLING_CODES else ""
    if not code or not number.startswith(code):
        return [number]
    national = number.removeprefix(code)
    written = [text for text in (national, f"0{national}") if normalize_number(text, country) == number]
    return [number, *written]
