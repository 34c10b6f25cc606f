"""deploy/compose.yaml, without Docker: what it mounts is there, what it sets is read, what runs is watched."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from services.runtime.settings import ServiceSettings

PROJECT = Path(__file__).parents[3]
DEPLOY = PROJECT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
OURS = ("intake", "router", "dedup", "notify")


def settings_of(name: str) -> type[ServiceSettings]:
    module = import_module(f"services.{name}.settings")
    return next(
        one
        for one in vars(module).values()
        if isinstance(one, type) and issubclass(one, ServiceSettings) and one is not ServiceSettings
    )


def test_it_runs_the_four_services_and_all_they_need():
    assert set(SERVICES) == {*OURS, "kafka", "postgres", "prepare", "gridline", "prometheus", "grafana"}


@pytest.mark.parametrize("name", SERVICES)
def test_what_keeps_running_has_a_health_check_and_starts_again(name: str):
    service = SERVICES[name]
    if service["restart"] == "no":
        assert name in {"prepare", "gridline"}, "only the preparation and a command end by themselves"
        return
    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_waits_for_can_come_true(name: str):
    for other, wish in SERVICES[name].get("depends_on", {}).items():
        once = SERVICES[other]["restart"] == "no"
        assert wish["condition"] == ("service_completed_successfully" if once else "service_healthy")


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_is_there(name: str):
    for mount in SERVICES[name].get("volumes", ()):
        source = mount.split(":")[0]
        assert source in COMPOSE["volumes"] or (DEPLOY / source).exists(), mount


@pytest.mark.parametrize("name", OURS)
def test_every_setting_is_one_the_service_reads_and_the_service_takes_them(name: str):
    kind = settings_of(name)
    given = SERVICES[name]["environment"]
    fields = {f"GRIDLINE_{field.upper()}": field for field in kind.model_fields}
    assert set(given) <= set(fields)
    settings = kind(**{fields[variable]: value for variable, value in given.items()})
    assert settings.http_port == kind.model_fields["http_port"].default
    assert settings.http_host == "0.0.0.0", "it must be reached from other containers"  # noqa: S104 - inside a container


@pytest.mark.parametrize("name", OURS)
def test_a_service_has_longer_to_stop_than_it_takes_to_drain(name: str):
    closing = 10  # services.runtime.service closes its connections after the drain
    assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) > settings_of(name)().drain_seconds + closing


@pytest.mark.parametrize("name", OURS)
def test_prometheus_scrapes_the_service_where_it_answers(name: str):
    port = SERVICES[name]["environment"]["GRIDLINE_HTTP_PORT"]
    for file, host in (("targets.compose.yml", name), ("targets.yml", "127.0.0.1")):
        groups = yaml.safe_load((DEPLOY / "prometheus" / file).read_text(encoding="utf-8"))
        assert {"labels": {"service": name}, "targets": [f"{host}:{port}"]} in groups


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_open_to_this_machine_only(name: str):
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", ()))


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned(name: str):
    assert re.fullmatch(r"[a-z/]+:(v?\d+(\.\d+){0,2}|local)", SERVICES[name]["image"])


def test_grafana_finds_its_datasource_and_its_dashboards_where_they_are_mounted():
    provisioning = DEPLOY / "grafana" / "provisioning"
    source = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text(encoding="utf-8"))
    provider = yaml.safe_load((provisioning / "dashboards" / "gridline.yaml").read_text(encoding="utf-8"))
    mounts = dict(mount.removesuffix(":ro").split(":") for mount in SERVICES["grafana"]["volumes"])
    mounted = {inside: DEPLOY / outside for outside, inside in mounts.items()}
    environment = SERVICES["grafana"]["environment"]
    assert source["datasources"][0]["url"].removeprefix("$") in environment
    assert provider["providers"][0]["options"]["path"] in mounted
    home = Path(environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (mounted[str(home.parent)] / home.name).exists()


def test_what_the_image_copies_is_there_and_sent_to_the_builder():
    sent = {line.removeprefix("!") for line in lines("Dockerfile.dockerignore") if line.startswith("!")}
    copied = {
        part
        for line in lines("Dockerfile")
        if line.startswith("COPY") and "--from" not in line
        for part in line.split()[1:-1]
    }
    assert {part.split("/")[0] for part in copied} == sent
    assert all((PROJECT / part).exists() for part in copied)


def test_the_command_finds_every_service_where_it_answers():
    given = SERVICES["gridline"]["environment"]
    for name in OURS:
        assert given[f"GRIDLINE_{name.upper()}_URL"] == f"http://{name}:{settings_of(name)().http_port}"


def test_the_image_brings_its_modules_compiled():
    """Pods cannot write theirs (a read-only root): what is not compiled here is compiled anew by every start."""
    installs = [line for line in lines("Dockerfile") if "/bin/uv pip install " in line]
    assert len(installs) == 2, "what it needs, and itself"
    assert all("--compile-bytecode" in line.split() for line in installs), "uv does not, unless told each time"


def lines(file: str) -> list[str]:
    return (DEPLOY / file).read_text(encoding="utf-8").splitlines()


def test_docker_compose_takes_the_file():
    docker = shutil.which("docker")
    plugin = docker and subprocess.run([docker, "compose", "version"], check=False, capture_output=True).returncode == 0
    if not plugin:
        pytest.skip("docker compose is not here: install Docker with its compose plugin to have the file checked by it")
    command = [docker, "compose", "-f", str(DEPLOY / "compose.yaml"), "config", "--quiet"]
    checked = subprocess.run(command, check=False, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
