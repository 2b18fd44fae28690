"""A program registers, a member of the team agrees, and its token may do less than the person, on this server only."""

import base64
import hashlib
import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application

from config.access.two_factor.devices import disable_two_factor, enable_two_factor
from config.access.two_factor.totp import compute_code, compute_step, generate_secret
from config.assistant.oauth.scopes import limit_scopes

pytestmark = pytest.mark.django_db
CALLBACK = "http://127.0.0.1:3334/callback"
SERVER = "http://testserver/mcp"
VERIFIER = "v" * 50
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
JSON = "application/json"


def post_json(client: Client, url: str, values: Any, **headers: str) -> Any:
    return client.post(url, json.dumps(values), content_type=JSON, headers=headers)


def list_tools(client: Client, token: str) -> Any:
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
    return post_json(client, "/mcp", LIST, **headers)


def register(client: Client) -> str:
    values = {
        "client_name": "Claude <b>",
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
    }
    response = post_json(client, "/oauth/register/", values)
    assert response.status_code == 201, response.text
    plain_http = post_json(client, "/oauth/register/", {**values, "redirect_uris": ["http://evil.example/callback"]})
    assert plain_http.json()["error"] == "invalid_redirect_uri"
    return str(response.json()["client_id"])


def build_request(client_id: str, **more: str) -> dict[str, str]:
    values = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": CALLBACK,
        "scope": "assistant:read",
        "state": "s1",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "resource": SERVER,
    }
    return {**values, **more}


def get_token(client: Client, client_id: str, **more: str) -> dict[str, Any]:
    """Agree on the consent page, and exchange the code."""
    values = build_request(client_id, **more)
    page = client.get("/oauth/authorize/", values)
    assert page.status_code == 200, page.text
    assert "Claude &lt;b&gt; asks for permission to use this shop" in page.text
    assert "127.0.0.1:3334" in page["Content-Security-Policy"]
    agreed = client.post("/oauth/authorize/", {**values, "granted": values["scope"].split(), "allow": "Authorize"})
    assert agreed.status_code == 302
    answer = parse_qs(urlsplit(agreed["Location"]).query)
    assert answer["state"] == ["s1"]
    assert answer["iss"]
    exchange = {
        "grant_type": "authorization_code",
        "code": answer["code"][0],
        "redirect_uri": CALLBACK,
        "client_id": client_id,
        "code_verifier": VERIFIER,
        "resource": values["resource"],
    }
    wrong = Client().post("/oauth/token/", {**exchange, "code_verifier": "w" * 50})
    assert wrong.status_code == 400
    response = Client().post("/oauth/token/", exchange)
    assert response.status_code == 200, response.text
    tokens: dict[str, Any] = response.json()
    return tokens


def test_a_program_gets_a_short_token_for_this_server_that_may_do_less_than_the_person(client: Client) -> None:
    refused = client.post("/mcp", {}, content_type=JSON)
    where = refused["WWW-Authenticate"].split('resource_metadata="')[1].rstrip('"')
    resource = client.get(urlsplit(where).path).json()
    assert resource["resource"] == SERVER
    assert resource["authorization_servers"]
    metadata = client.get("/.well-known/oauth-authorization-server").json()
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    assert metadata["response_types_supported"] == ["code"]
    assert urlsplit(metadata["registration_endpoint"]).path == "/oauth/register/"
    client_id = register(client)
    assert client.get("/oauth/authorize/", build_request(client_id)).status_code == 302  # to the log-in page
    user = User.objects.create_user("mia", is_staff=True)
    user.groups.add(Group.objects.get(name="Marketer"))
    client.force_login(user)
    tokens = get_token(client, client_id)
    assert tokens["expires_in"] == 900
    row = AccessToken.objects.get(token_checksum=hashlib.sha256(tokens["access_token"].encode()).hexdigest())
    assert row.token == ""  # only the hash is stored
    names = {tool["name"] for tool in list_tools(Client(), tokens["access_token"]).json()["result"]["tools"]}
    assert "get_metric" in names
    assert "draft_campaign" not in names
    drafting = get_token(client, client_id, scope="assistant:read assistant:draft")["access_token"]
    names = {tool["name"] for tool in list_tools(Client(), drafting).json()["result"]["tools"]}
    assert "draft_campaign" in names
    User.objects.update(is_active=False)
    assert list_tools(Client(), drafting).status_code == 401


@pytest.mark.parametrize("change", ["password", "set up", "reset"])
def test_a_new_password_or_second_factor_disconnects_the_programs(client: Client, change: str) -> None:
    user = User.objects.create_user("mia", is_staff=True)
    user.groups.add(Group.objects.get(name="Marketer"))
    client.force_login(user)
    client_id = register(client)
    tokens = get_token(client, client_id)
    assert list_tools(Client(), tokens["access_token"]).status_code == 200
    if change == "password":
        user.set_password("a-new-passphrase")
        user.save()
    elif change == "set up":
        secret = generate_secret()
        enable_two_factor(user, secret=secret, code=compute_code(secret, step=compute_step(0.0)), now=0.0)
    else:
        disable_two_factor(user)
    assert list_tools(Client(), tokens["access_token"]).status_code == 401
    renewal = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], "client_id": client_id}
    assert Client().post("/oauth/token/", renewal).status_code == 400


def test_tokens_of_other_servers_old_ones_and_requests_without_pkce_are_refused(client: Client) -> None:
    client_id = register(client)
    client.force_login(User.objects.create_superuser("root"))
    elsewhere = get_token(client, client_id, resource="http://testserver.evil.example/mcp")["access_token"]
    assert list_tools(Client(), elsewhere).status_code == 401
    token = get_token(client, client_id)["access_token"]
    assert list_tools(Client(), token).status_code == 200
    assert client.get("/api/v1/segments/", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    AccessToken.objects.update(expires=timezone.now())
    assert list_tools(Client(), token).status_code == 401
    values = build_request(client_id)
    del values["code_challenge"]
    assert b"code=" not in client.get("/oauth/authorize/", values).headers.get("Location", "").encode()
    foreign = build_request(client_id, redirect_uri="https://evil.example/callback")
    assert client.get("/oauth/authorize/", foreign).status_code == 400
    denied = client.post("/oauth/authorize/", {**build_request(client_id), "cancel": "1"})
    assert "access_denied" in denied["Location"]
    Application.objects.all().delete()
    assert AccessToken.objects.count() == 0


def test_a_registration_is_changed_by_the_rules_of_a_new_one(client: Client) -> None:
    values = {"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none", "response_types": ["code"]}
    values["grant_types"] = ["authorization_code"]
    program = post_json(client, "/oauth/register/", values).json()
    headers = {"Authorization": f"Bearer {program['registration_access_token']}"}

    def change(uri: str) -> Any:
        changed = json.dumps({**values, "redirect_uris": [uri]})
        return client.put(f"/oauth/register/{program['client_id']}/", changed, content_type=JSON, headers=headers)

    assert change("http://evil.example/callback").json()["error"] == "invalid_redirect_uri"
    assert Application.objects.get().redirect_uris == CALLBACK
    assert change("https://program.example/callback").status_code == 200


def test_malformed_addresses_are_refused(client: Client) -> None:
    malformed = "http://[/callback"
    answer = post_json(client, "/oauth/register/", {"redirect_uris": [malformed]})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_redirect_uri")
    assert post_json(client, "/mcp", LIST, Origin="https://[").status_code == 403
    client_id = register(client)
    client.force_login(User.objects.create_superuser("root"))
    assert client.get("/oauth/authorize/", build_request(client_id, redirect_uri=malformed)).status_code == 400


def test_scopes_are_those_that_the_person_holds_and_has_allowed() -> None:
    held = frozenset({"segments:read", "segments:write", "privacy:write", "customers:personal"})
    assert limit_scopes(held, frozenset({"assistant:read"})) == {"segments:read"}
    assert limit_scopes(held, frozenset({"assistant:draft"})) == {"segments:write"}
    assert limit_scopes(held, frozenset({"assistant:personal"})) == {"customers:personal"}
    assert limit_scopes(frozenset(), frozenset({"assistant:read", "assistant:draft", "assistant:personal"})) == set()


def test_programs_can_be_entered_by_hand(admin_client: Client) -> None:
    url = "/admin/oauth2_provider/application/"
    assert admin_client.get(f"{url}add/").status_code == 200
    saved = admin_client.post(f"{url}add/", {"name": "Inspector", "redirect_uris": CALLBACK})
    assert saved.status_code == 302
    program = Application.objects.get(name="Inspector")
    assert (program.client_type, program.authorization_grant_type) == ("public", "authorization-code")
    assert "Inspector" in admin_client.get(url).text


def test_the_pages_of_programs_are_in_the_language_of_the_reader(admin_client: Client) -> None:
    url, chinese = "/admin/oauth2_provider/application/", {"accept-language": "zh-hans"}
    saved = admin_client.post(
        f"{url}add/", {"name": "Inspector", "redirect_uris": CALLBACK}, headers=chinese, follow=True
    )
    program = Application.objects.get(name="Inspector")
    pages = [admin_client.get(f"{url}{path}", headers=chinese).text for path in ("", "add/", f"{program.pk}/change/")]
    for page in (saved.text, *pages):
        texts = re.sub(r"<[^>]*>", " ", re.sub(r"(?s)<(script|style).*?</\1>", "", page))
        for english in ("application", "Redirect", "space separated", "Registration source", "Manual", "RFC 7591"):
            assert english not in texts, english
        assert "已连接的程序" in texts
    assert "创建时间" in pages[0]
    assert "手动添加" in pages[0]
