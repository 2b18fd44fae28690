"""Finds the WeCom contacts of customers by their unionid.

https://developer.work.weixin.qq.com/document/path/92571 (employees) and /92994 (contacts of employees). WeCom gives the unionid of a
contact only to companies that have bound their WeChat developer account.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import batched

from customers.identity.models import Identifier
from customers.identity.personal_data.hashing import adopt_addresses, hash_wechat_id
from customers.identity.trait_updates import TraitUpdate, apply_trait_updates
from customers.identity.traits import IdentifyTraits
from recommendations.sending.channels.accounts import Account, find_account
from recommendations.sending.checks.candidates import WECOM_TRAIT
from recommendations.sending.wecom.api import call, get

EMPLOYEES, CONTACTS = 100, 100  # of one call


def link_wecom_contacts(*, now: datetime) -> int:
    """Store the contact of each customer whose proven unionid is that of a contact; return how many customers. Raises WeComError."""
    account = find_account("wecom")
    if account is None or account.provider != "wecom":
        return 0
    return sum(link_part(dict(part), now=now) for part in batched(list_contacts(account), 1000))


def list_contacts(account: Account) -> Iterator[tuple[str, str]]:
    """Yield unionid and contact of all employees with customer contact."""
    employees = [str(user) for user in get(account, "get_follow_user_list").get("follow_user") or []]
    for part in batched(employees, EMPLOYEES):
        cursor, seen = "", set[str]()
        while cursor not in seen:
            seen.add(cursor)
            answer = call(account, "batch/get_by_user", {"userid_list": part, "cursor": cursor, "limit": CONTACTS})
            for row in answer.get("external_contact_list") or []:
                contact = row.get("external_contact") or {}
                if contact.get("unionid") and contact.get("external_userid"):
                    yield str(contact["unionid"]), str(contact["external_userid"])
            cursor = str(answer.get("next_cursor") or "")


def link_part(contacts: dict[str, str], *, now: datetime) -> int:
    """Store the contacts of customers, except for customers who already have them. contacts: by unionid."""
    adopt_addresses(wechat_ids=contacts)
    by_hash = {hash_wechat_id(unionid): contact for unionid, contact in contacts.items()}
    found = Identifier.objects.filter(
        kind=Identifier.Kind.UNIONID_HASH, value__in=by_hash, is_proven=True, customer__erased_at=None
    ).values_list("value", "customer_id", f"customer__traits__{WECOM_TRAIT}")
    updates = [
        TraitUpdate(customer_id, now, IdentifyTraits(traits={WECOM_TRAIT: by_hash[value]}))
        for value, customer_id, known in found
        if known != by_hash[value]
    ]
    apply_trait_updates(updates=updates)
    return len(updates)
