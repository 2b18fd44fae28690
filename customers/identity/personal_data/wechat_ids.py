"""The openids and unionids of WeChat in the traits of a customer, which identify them like an address: as keyed hashes.

An openid names a person within one mini-program or official account, a unionid within all of one company, which joins its openids.
https://developers.weixin.qq.com/miniprogram/dev/framework/open-ability/union-id.html
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

OPENID, UNIONID = "openid_hash", "unionid_hash"
MAX_IDS = 20  # of one kind in one call
OPENID_TRAIT, UNIONID_TRAIT = "wechat_openid", "wechat_unionid"
# spellings without capitals and separators, which shops use for the same
KINDS: Mapping[str, str] = {
    **dict.fromkeys(("openid", "wechatopenid", "weixinopenid", "wxopenid", "mpopenid", "微信openid"), OPENID),
    **dict.fromkeys(("unionid", "wechatunionid", "weixinunionid", "wxunionid", "mpunionid", "微信unionid"), UNIONID),
}
WECHAT_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
SEPARATORS = str.maketrans("", "", "_- ")

type WechatId = tuple[str, str]  # the kind of identifier, and the plain value


def list_wechat_ids(traits: Mapping[str, Any]) -> tuple[WechatId, ...]:
    """Return the usable openids and unionids of traits; the unionid first, because it joins the others."""
    if not traits:
        return ()  # most events have none
    found = dict.fromkeys(
        (kind, value.strip())
        for name, given in traits.items()
        if (kind := get_wechat_kind(name)) is not None
        for value in iterate_texts(given)
    )
    usable = [key for key in found if is_wechat_id(key[1])]
    return tuple(key for kind in (UNIONID, OPENID) for key in [key for key in usable if key[0] == kind][:MAX_IDS])


def get_wechat_kind(name: str) -> str | None:
    """Return the kind of identifier in a trait of this name; None if it is another trait."""
    return KINDS.get(name.translate(SEPARATORS).casefold()) if len(name) <= 40 else None


def iterate_texts(value: Any) -> Iterator[str]:
    """Yield a text, or the texts of a list."""
    values: Iterable[Any] = value if isinstance(value, list) else (value,)
    return (text for text in values if isinstance(text, str))


def normalize_wechat_id(text: str) -> str:
    """Return the ID as it is: capital and small letters differ."""
    return text.strip()


def is_wechat_id(text: str) -> bool:
    """Return whether a text can be an openid or unionid."""
    return WECHAT_ID.fullmatch(text) is not None
