"""The examples of deployment: programs, options and settings that they name exist, and the proxy does what it must."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from config.settings import BASE_DIR
from tests.config.monitoring.metric_names import FOLDER, read_expressions, read_metric_names

DEPLOYMENT = BASE_DIR / "docs" / "deployment"
UNITS = sorted((DEPLOYMENT / "systemd").glob("*.service"))
SETTING = re.compile(r"^\s*([A-Z][A-Z_]{3,})[=:]", re.MULTILINE)
KNOWN_VARIABLES = (BASE_DIR / "config" / "settings.py").read_text(encoding="utf-8")
KUBERNETES_VERSION = "1.37"
OF_OTHERS = {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD"}


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", ["systemd/environment", "container/compose.yaml"])
def test_every_setting_exists(path: str) -> None:
    names = set(SETTING.findall(read(DEPLOYMENT / path))) - OF_OTHERS
    assert len(names) > 10
    assert {name for name in names if f'"{name}"' not in KNOWN_VARIABLES} == set()


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_starts_what_up_starts_and_is_hardened(unit: Path) -> None:
    text = read(unit)
    command = re.search(r"^ExecStart=\S+python -m (\S+) (.*)$", text, re.MULTILINE)
    assert command is not None
    module, options = command[1], command[2]
    up = read(BASE_DIR / "config" / "management" / "commands" / "up.py")
    server = read(BASE_DIR / "config" / "web_server" / "__main__.py")
    assert module in ("config.web_server", "celery")
    for option in re.findall(r"--[a-z-]+", options):
        assert f'"{option}' in (server if module == "config.web_server" else up), option
    for line in (
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "CapabilityBoundingSet=",
        "UMask=0077",
        "User=perennial",
    ):
        assert f"\n{line}\n" in text
    assert "EnvironmentFile=/etc/perennial/environment" in text
    variables = set(re.findall(r"\$\{([A-Z_]+)\}", options))
    assert variables <= set(SETTING.findall(read(DEPLOYMENT / "systemd" / "environment")))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_accepts_a_unit(unit: Path, tmp_path: Path) -> None:
    copy = tmp_path / unit.name
    copy.write_text(read(unit).replace("/opt/perennial/.venv/bin/python", shutil.which("true") or "/bin/true"))
    result = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False)
    assert [line for line in result.stderr.splitlines() if unit.name in line] == []


def test_the_container_runs_what_exists() -> None:
    text = read(DEPLOYMENT / "container" / "Containerfile")
    for source in re.findall(r"^COPY (?!--from)(\S+)", text, re.MULTILINE):
        assert (BASE_DIR / source).exists()
    up = read(BASE_DIR / "config" / "management" / "commands" / "up.py")
    command = json.loads(re.findall(r"^CMD (\[.*\])$", text, re.MULTILINE)[-1])
    assert command[:3] == ["python", "manage.py", "up"]
    assert all(f'"{option}"' in up for option in command if option.startswith("--"))
    assert re.search(r"^USER (?!root)", text, re.MULTILINE)
    compose = read(DEPLOYMENT / "container" / "compose.yaml")
    assert "volatile-lru" in compose
    assert '"127.0.0.1:8000:8000"' in compose


def test_the_example_for_kubernetes_names_what_exists() -> None:
    documents = list(yaml.safe_load_all(read(DEPLOYMENT / "kubernetes" / "perennial.yaml")))
    kinds = [(document["kind"], document["metadata"]["name"]) for document in documents]
    assert len(set(kinds)) == len(kinds) == 7
    [settings] = [document["data"] for document in documents if document["kind"] == "ConfigMap"]
    assert all(isinstance(value, str) for value in settings.values())
    known = KNOWN_VARIABLES + read(BASE_DIR / "config" / "management" / "commands" / "up.py")
    assert {name for name in settings if f'"{name}"' not in known} == set()
    claims = {name for kind, name in kinds if kind == "PersistentVolumeClaim"}
    up = read(BASE_DIR / "config" / "management" / "commands" / "up.py")
    for document in documents:
        if document["kind"] not in ("Deployment", "Job"):
            continue
        pod = document["spec"]["template"]
        if document["kind"] == "Deployment":
            assert document["spec"]["selector"]["matchLabels"] == pod["metadata"]["labels"]
        [container] = pod["spec"]["containers"]
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
        assert {
            v["persistentVolumeClaim"]["claimName"] for v in volumes.values() if "persistentVolumeClaim" in v
        } <= claims
        if document["kind"] == "Deployment":
            mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
            claimed = [mounts[name] for name, volume in volumes.items() if "persistentVolumeClaim" in volume]
            # what one machine writes and another reads must not be in a folder of one pod
            assert all(
                settings[name].startswith(f"{folder}/")
                for name in ("WAREHOUSE_URL", "EXPORTS_DIR")
                for folder in claimed
            )
        command = container["command"]
        assert command[:2] == ["python", "manage.py"]
        if command[2] == "up":
            assert all(f'"{option}"' in up for option in command if option.startswith("--"))


def test_the_example_for_kubernetes_has_the_schemas_of_kubernetes() -> None:
    documents = list(yaml.safe_load_all(read(DEPLOYMENT / "kubernetes" / "perennial.yaml")))
    for document in documents:
        kubernetes_validate.validate(document, KUBERNETES_VERSION, strict=True)
    web = next(document for document in documents if document["kind"] == "Deployment")
    web["spec"]["replica"] = web["spec"].pop("replicas")
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(web, KUBERNETES_VERSION, strict=True)


def test_the_proxies_set_the_headers_that_the_web_server_trusts() -> None:
    nginx, caddy = read(DEPLOYMENT / "proxy" / "nginx.conf"), read(DEPLOYMENT / "proxy" / "Caddyfile")
    assert nginx.count("{") == nginx.count("}")
    assert caddy.count("{") == caddy.count("}")
    assert "proxy_set_header X-Forwarded-Proto $scheme;" in nginx
    assert "header_up X-Forwarded-Proto {scheme}" in caddy
    assert "X-Forwarded-For $proxy_add_x_forwarded_for;" in nginx
    assert "header_up X-Forwarded-For {remote_host}" in caddy
    for name in ("limit_conn ", "limit_req ", "client_max_body_size 512m", "return 301 https://"):
        assert name in nginx
    assert all(name in text for text in (nginx, caddy) for name in ("X-Forwarded-Host", "Forwarded", "X-Request-ID"))


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_nginx_accepts_its_configuration(tmp_path: Path) -> None:
    text = re.sub(r"^\s*ssl_certificate.*$", "", read(DEPLOYMENT / "proxy" / "nginx.conf"), flags=re.MULTILINE)
    text = text.replace("443 ssl", "8443").replace("http2 on;", "").replace("ssl_protocols TLSv1.2 TLSv1.3;", "")
    main = tmp_path / "nginx.conf"
    main.write_text(f"pid {tmp_path}/pid; error_log stderr; events {{}}\nhttp {{\n{text}\n}}")
    result = subprocess.run(
        ["nginx", "-t", "-c", str(main), "-p", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_the_dashboard_and_the_rules_are_complete() -> None:
    dashboard = json.loads(read(FOLDER / "grafana-dashboard.json"))
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    assert all(panel["title"] and panel["targets"] for panel in panels)
    assert len(read_metric_names()) > 25
    for expression in read_expressions():
        assert expression.count("(") == expression.count(")"), expression
        assert expression.count("{") == expression.count("}"), expression
    rules = read(FOLDER / "alerts.yml")
    count = rules.count("- alert: ")
    assert count >= 10
    for key in ("expr: ", "for: ", "severity: ", "summary: ", "description: "):
        assert rules.count(key) == count, key


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_accepts_the_rules() -> None:
    subprocess.run(["promtool", "check", "rules", str(FOLDER / "alerts.yml")], check=True)
