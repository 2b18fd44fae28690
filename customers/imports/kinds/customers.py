"""Customers, imported by ``customers.identity.imports``."""

from typing import Any

from django.utils.translation import gettext_lazy

from customers.identity.imports.customer_fields import FIELDS
from customers.identity.imports.customer_import import import_customers
from customers.identity.imports.presets.registry import PRESETS
from customers.imports.kinds.base import (
    LATER_CHANGES,
    PROFILES_FOLLOW,
    ImportField,
    ImportKind,
    ImportOutcome,
    ImportPreset,
    ImportTask,
)
from customers.imports.kinds.outcomes import build_outcome, translate_file_errors

# field → label, type of its values, and common names of its column
SPECS: dict[str, tuple[Any, str, tuple[str, ...]]] = {
    "user_id": (gettext_lazy("Customer ID"), "id", ("id", "customer", "client id", "member id", "客户编号", "会员号", "用户id")),
    "email": (gettext_lazy("Email"), "email", ("e-mail", "email address", "mail", "customer email", "邮箱", "电子邮箱")),
    "name": (gettext_lazy("Name"), "text", ("full name", "customer name", "姓名", "名字")),
    "first_name": (gettext_lazy("First name"), "text", ("firstname", "given name", "forename", "名")),
    "last_name": (gettext_lazy("Last name"), "text", ("lastname", "surname", "family name", "姓")),
    "phone": (gettext_lazy("Phone"), "phone", ("phone number", "mobile", "telephone", "手机号", "手机", "电话")),
    "birthday": (gettext_lazy("Birthday"), "date", ("date of birth", "dob", "birth date", "生日", "出生日期")),
    "wechat_openid": (gettext_lazy("WeChat openid"), "id", ("openid", "open id", "微信openid")),
    "wechat_unionid": (gettext_lazy("WeChat unionid"), "id", ("unionid", "union id", "微信unionid")),
    "language": (gettext_lazy("Language"), "text", ("locale", "lang", "语言")),
    "country": (gettext_lazy("Country"), "text", ("country code", "国家")),
    "email_consent": (gettext_lazy("Consent to emails"), "boolean", ("newsletter", "accepts marketing", "email opt in", "订阅邮件")),
    "sms_consent": (gettext_lazy("Consent to text messages"), "boolean", ("accepts sms marketing", "sms opt in", "接收短信")),
    "tags": (gettext_lazy("Tags"), "text", ("labels", "标签")),
}  # fmt: skip


def import_customer_file(task: ImportTask) -> ImportOutcome:
    """Import or check a file of customers; a second import of a row changes nothing."""
    run = task.run
    with translate_file_errors(task):
        result = import_customers(
            path=task.path,
            received_at=task.at,
            preset=run.preset,
            mapping={name: columns for name, columns in run.mapping.items() if name in FIELDS},
            is_complete_mapping=True,
            skipped=run.mapping.get("-", []),
            encoding=run.options.get("encoding") or None,
            source=run.source,
            dry_run=task.dry_run,
            progress=task.progress,
        )
    return build_outcome(result, counts={"consents": result.consents})


CUSTOMERS = ImportKind(
    key="customers",
    label=gettext_lazy("Customers"),
    icon="person",
    description=gettext_lazy("Names, contact data, consents and attributes of customers."),
    file_help=gettext_lazy("CSV, TSV or JSON Lines, optionally gzipped, with one row per customer."),
    created_label=gettext_lazy("New customers"),
    updated_label=gettext_lazy("Changed customers"),
    unchanged_label=gettext_lazy("Unchanged customers"),
    permissions=("identity.add_customer", "identity.change_customer", "identity.view_personal"),
    import_file=import_customer_file,
    main_table="identity_customer",
    fields={
        name: ImportField(label=label, type=kind, description=FIELDS[name], names=names)
        for name, (label, kind, names) in SPECS.items()
    },
    required_any=(("user_id", "email"),),
    presets={
        preset.key: ImportPreset(
            key=preset.key,
            label=preset.label,
            columns=preset.columns,
            joined_fields=preset.joined_fields,
            keeps_other_columns=preset.keeps_other_columns,
        )
        for preset in PRESETS.values()
    },
    count_labels={"consents": gettext_lazy("changed consents")},
    describes_people=True,
    counts_changes=True,
    undo_removes=(
        gettext_lazy(
            "Customers and consents that this import created. Changed customers get their earlier values back."
        ),
    ),
    undo_keeps=(
        LATER_CHANGES,
        PROFILES_FOLLOW,
    ),
)
