"""Writes the pages of the REST reference from the OpenAPI document."""

from collections.abc import Iterable, Iterator

from config.api_clients.operations import ClientModel, Operation
from config.api_clients.types import (
    ClientType,
    Declaration,
    ListOf,
    Literals,
    MapOf,
    Member,
    Options,
    Reference,
    Scalar,
)

LABELS = {
    "en": {
        "intro": "Every operation of this version, from its OpenAPI document. Keys, errors and limits: [security](../security.md); "
        "typed clients: [API clients](../clients.md).",
        **{"title": "REST reference", "types": "Types", "scope": "Scope", "publishable": "also with a publishable key"},
        **{"parameters": "Parameters", "name": "Name", "type": "Type", "meaning": "Meaning", "body": "Body"},
        **{"answer": "Response", "required": "required", "none": "none"},
    },
    "zh-hans": {
        "intro": "本版本的全部接口，由 OpenAPI 文档生成，部分说明文字为英文。密钥、错误与限制见[安全](../security.md)，类型化客户端见 "
        "[API 客户端](../clients.md)。",
        **{"title": "REST 接口参考", "types": "数据类型", "scope": "权限范围", "publishable": "也可使用公开密钥"},
        **{"parameters": "参数", "name": "名称", "type": "类型", "meaning": "含义", "body": "请求体"},
        **{"answer": "响应", "required": "必填", "none": "无"},
    },
}


def write_reference(model: ClientModel, language: str) -> dict[str, str]:
    """Return the pages by their names below ``reference/``: an index, one for each first part of the path, and the types."""
    labels = LABELS[language]
    groups: dict[str, list[Operation]] = {}
    for operation in sorted(model.operations, key=lambda operation: (operation.path, operation.method)):
        groups.setdefault(operation.path.split("/")[3], []).append(operation)
    pages = {
        name: f"# {name}\n\n" + "\n".join(write_operation(operation, labels) for operation in operations)
        for name, operations in groups.items()
    }
    index = [f"# {labels['title']}", "", labels["intro"], "", *(f"- [{name}]({name}.md)" for name in sorted(pages))]
    types = "\n".join(write_declaration(part, labels) for part in model.declarations.values())
    return {
        "index": "\n".join([*index, f"- [{labels['types']}](types.md)", ""]),
        **pages,
        "types": f"# {labels['types']}\n\n{types}",
    }


def write_operation(operation: Operation, labels: dict[str, str]) -> str:
    scope = f"{labels['scope']}: `{operation.scope or labels['none']}`"
    if operation.is_publishable:
        scope += f" · {labels['publishable']}"
    lines = [
        f"## {operation.method} {operation.path} {{ #{operation.name} }}",
        "",
        scope,
        "",
        escape(operation.description),
        "",
    ]
    lines += write_members((*operation.path_parameters, *operation.query), labels, labels["parameters"])
    if operation.body is not None:
        lines += [f"**{labels['body']}**: {write_kind(operation.body)}", ""]
    lines += [f"**{labels['answer']}**: {write_kind(operation.answer)}", ""]
    return "\n".join(lines)


def write_declaration(declaration: Declaration, labels: dict[str, str]) -> str:
    lines = [f"## {declaration.name} {{ #{declaration.name.lower()} }}", "", escape(declaration.description), ""]
    if declaration.alias is not None:
        return "\n".join([*lines, write_kind(declaration.alias, page=""), ""])
    return "\n".join([*lines, *write_members(declaration.members, labels, "", page="")])


def write_members(
    members: Iterable[Member], labels: dict[str, str], title: str, page: str = "types.md"
) -> Iterator[str]:
    rows = [
        f"| `{member.name}`{f' ({labels["required"]})' if member.is_required else ''} | {write_kind(member.type, page)} "
        f"| {escape(member.description).replace('|', '&#124;')} |"
        for member in members
    ]
    if rows:
        yield from [f"**{title}**", ""] if title else []
        yield from (f"| {labels['name']} | {labels['type']} | {labels['meaning']} |", "|---|---|---|", *rows, "")


def write_kind(kind: ClientType, page: str = "types.md") -> str:
    match kind:
        case Scalar(name):
            return name
        case Literals(values):
            return ", ".join(f"`{'null' if value is None else value}`" for value in values)
        case Reference(name):
            return f"[{name}]({page}#{name.lower()})"
        case ListOf(item):
            return f"[ {write_kind(item, page)} ]"
        case MapOf(value):
            return f"{{ string: {write_kind(value, page)} }}"
        case Options(types):
            return " or ".join(dict.fromkeys(write_kind(part, page) for part in types))


def escape(text: str) -> str:
    """Return text escaped so that it is not read as HTML or as attribute lists."""
    return text.replace("&", "&amp;").replace("<", "&lt;").strip()
