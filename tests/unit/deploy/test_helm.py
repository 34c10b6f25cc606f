"""deploy/helm/gridline: what it makes of the fewest and of the most values fits the services, topics and commands.

What helm renders is kept beside this file, with a digest of all it was rendered from, so that it is judged also where
there is no helm. After a change of the chart:  python -m tests.unit.deploy.test_helm
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from services.contracts.topics import TOPICS
from tests.unit.deploy.test_compose import OURS, settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parents[3]
CHART = PROJECT / "deploy" / "helm" / "gridline"
KEPT = Path(__file__).parent / "helm"
CASES = ("least", "most")
HELM = shutil.which("helm")
CLOSING_SECONDS = 10  # services.runtime.service closes its connections after the drain
TEN_MINUTES = 600  # a container that ran so long is started again at once, however often it ended before
CREDENTIALS = {"intake": "sources.yaml", "router": "keys.yaml", "dedup": "dedup_keys.yaml", "notify": "wechat.yaml"}


def values_of(case: str) -> Path:
    return KEPT / f"{case}.values.yaml"


def rendered_of(case: str) -> Path:
    return KEPT / f"{case}.rendered.yaml"


def digest(case: str) -> str:
    """Of all that decides what is rendered; what is linked into the chart is carried over as it is."""
    files = sorted(one for one in CHART.rglob("*") if one.is_file() and not one.is_symlink())
    whole = hashlib.sha256()
    for file in (*files, values_of(case)):
        whole.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return whole.hexdigest()


def helm(*arguments: str, release: str = "gridline", cluster: Path | None = None) -> subprocess.CompletedProcess[str]:
    assert HELM is not None
    command = [HELM, "template", release, str(CHART), "--kube-version", "1.31.0", *arguments]
    environ = os.environ | ({} if cluster is None else {"KUBECONFIG": str(cluster)})
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environ)


def render(case: str) -> str:
    done = helm("-f", str(values_of(case)))
    assert done.returncode == 0, done.stderr
    return f"# of {digest(case)}\n{done.stdout}"


@cache
def objects(case: str) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(rendered_of(case).read_text(encoding="utf-8")) if one]


def of_kind(case: str, kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"].removeprefix("gridline-"): one for one in objects(case) if one["kind"] == kind}


def pod(case: str, service: str) -> dict[str, Any]:
    found: dict[str, Any] = of_kind(case, "Deployment")[service]["spec"]["template"]
    return found


def container(case: str, service: str) -> dict[str, Any]:
    [found] = pod(case, service)["spec"]["containers"]
    return dict(found)


def environment(case: str, service: str) -> dict[str, str]:
    """Its variables; what comes from a Secret as a word in its place, or an address."""
    given = container(case, service)["env"]
    assert len({one["name"] for one in given}) == len(given), "none is said twice"
    address = {"GRIDLINE_POSTGRES_DSN": "postgresql://database/gridline"}
    return {one["name"]: one.get("value", address.get(one["name"], "secret")) for one in given}


def seconds_before_the_end(case: str, service: str) -> float:
    """How long a pod that is to end serves on before it is told so."""
    command, seconds = container(case, service)["lifecycle"]["preStop"]["exec"]["command"]
    assert command == "sleep", "which every image has"
    return float(seconds)


needs_helm = pytest.mark.skipif(HELM is None, reason="helm is not here: what it rendered last is judged alone")
both = pytest.mark.parametrize("case", CASES)
each = pytest.mark.parametrize("service", OURS)


@both
def test_what_is_judged_here_was_rendered_from_the_chart_as_it_is(case: str):
    kept = rendered_of(case).read_text(encoding="utf-8")
    assert kept.startswith(f"# of {digest(case)}\n"), "render it again: python -m tests.unit.deploy.test_helm"


@needs_helm
@both
def test_helm_renders_what_is_kept(case: str):
    assert rendered_of(case).read_text(encoding="utf-8") == render(case)


@needs_helm
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("kafka.bootstrap=", "kafka.bootstrap is missing"),
        ("postgres.existingSecret=", "postgres.existingSecret is missing"),
        ("credentials.published=false", "credentials.existingSecret is missing"),
        ("kafka.security=SASL_SSL", "kafka.existingSecret is missing"),
        ("services.dedup.maxReplicas=25", "services.dedup: more processes than kafka.partitions (24)"),
        ("services.router.replica=3", "'replica' not allowed"),
        ("services.router.env.MATTER_HOURS=12", "invalid propertyName 'MATTER_HOURS'"),
        ("services.router.env.GRIDLINE_HTTP_PORT=9000", "invalid propertyName 'GRIDLINE_HTTP_PORT'"),
        (r"rules.route\.yaml=x", "'route.yaml' not allowed"),
        (r"rules.routes\.yaml=x", "routes.yaml needs holidays.yaml beside it"),
        ("ingress.enabled=true", "ingress.host is missing"),
        ("forget.olderThan=3 years", "/forget/olderThan"),
    ],
)
def test_values_that_do_not_fit_are_refused_by_name(value: str, said: str):
    done = helm("-f", str(values_of("least")), "--set", value)
    assert done.returncode != 0
    assert said in done.stderr


@needs_helm
@pytest.mark.parametrize("lacks", ["forget", "services.dedup.env", "services.notify.existingSecret"])
def test_values_of_a_release_that_did_not_have_them_all_will_do(lacks: str):
    """``helm upgrade --reuse-values`` takes those of the release before, also where they lack what came since."""
    done = helm("-f", str(values_of("least")), "--set", f"{lacks}=null")
    assert done.returncode == 0, done.stderr


@needs_helm
@pytest.mark.parametrize(("length", "fits"), [(46, True), (47, False)])
def test_a_release_whose_names_a_cluster_would_refuse_is_refused(length: int, fits: bool):
    done = helm("-f", str(values_of("least")), release="r" * length)
    assert (done.returncode == 0) == fits
    names = [one["metadata"]["name"] for one in yaml.safe_load_all(done.stdout) if one]
    assert all(len(name) <= 63 for name in names)
    assert fits or "the release's name is too long" in done.stderr


@needs_helm
@pytest.mark.parametrize(("length", "fits"), [(36, True), (37, False)])
def test_a_cronjob_has_the_shorter_name_that_a_cluster_wants(length: int, fits: bool):
    done = helm("-f", str(values_of("least")), "--set", "forget.olderThan=1095d", release="r" * length)
    assert (done.returncode == 0) == fits
    assert fits or "the release's name is too long" in done.stderr


class OneDeployment(BaseHTTPRequestHandler):
    """As much of a cluster as helm asks when it looks for Deployments: one that runs, with seven processes."""

    def do_GET(self) -> None:
        known = {"name": "deployments", "kind": "Deployment", "namespaced": True, "singularName": "", "verbs": ["get"]}
        there = {
            "/apis/apps/v1": {"kind": "APIResourceList", "groupVersion": "apps/v1", "resources": [known]},
            "/apis/apps/v1/namespaces/default/deployments/gridline-dedup": {
                "kind": "Deployment",
                "apiVersion": "apps/v1",
                "metadata": {"name": "gridline-dedup", "namespace": "default"},
                "spec": {"replicas": 7},
            },
        }
        gone = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
        answer = there.get(self.path.partition("?")[0], gone)
        self.send_response(404 if answer is gone else 200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Path]:
    """The kubeconfig of a cluster in which dedup runs."""
    with ThreadingHTTPServer(("127.0.0.1", 0), OneDeployment) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        file = tmp_path / "kubeconfig"
        file.write_text(
            f"""{{apiVersion: v1, kind: Config, current-context: it, contexts: [{{name: it, context: {{cluster: it}}}}],
            clusters: [{{name: it, cluster: {{server: "http://127.0.0.1:{server.server_address[1]}"}}}}]}}""",
            encoding="utf-8",
        )
        yield file
        server.shutdown()


@needs_helm
@pytest.mark.parametrize(("least", "runs"), [(2, 7), (9, 9)])
def test_scaling_that_is_switched_on_takes_no_process_away(cluster: Path, least: int, runs: int):
    """A number that was there and is left out becomes 1: in a storm, of all times, all others would be taken away."""
    grown = f"keda.enabled=true,services.dedup.replicas={least},services.dedup.maxReplicas=24"
    done = helm("-f", str(values_of("least")), "--set", grown, "--dry-run=server", cluster=cluster)
    assert done.returncode == 0, done.stderr
    found = {
        one["metadata"]["name"]: one for one in yaml.safe_load_all(done.stdout) if one and "replicas" in one["spec"]
    }
    assert found["gridline-dedup"]["spec"]["replicas"] == runs
    assert found["gridline-router"]["spec"]["replicas"] == 2, "which nobody scales"


@needs_helm
def test_alerts_and_dashboard_are_those_of_deploy():
    done = helm("-f", str(values_of("least")), "--set", "monitoring.alerts=true,monitoring.dashboard=true")
    found = {one["kind"]: one for one in yaml.safe_load_all(done.stdout) if one}
    rules = yaml.safe_load((PROJECT / "deploy/prometheus/rules.yml").read_text(encoding="utf-8"))
    board = json.loads((PROJECT / "deploy/grafana/dashboards/overview.json").read_text(encoding="utf-8"))
    assert found["PrometheusRule"]["spec"] == rules
    assert json.loads(found["ConfigMap"]["data"]["overview.json"]) == board


@pytest.mark.parametrize("file", ["rules.yml", "overview.json"])
def test_the_chart_has_no_copy_of_alerts_and_dashboard(file: str):
    link = CHART / "files" / file
    assert link.is_symlink()
    assert link.resolve().is_relative_to(PROJECT / "deploy")
    assert f'"files/{file}"' in (CHART / "templates" / "monitoring.yaml").read_text(encoding="utf-8")


@both
def test_it_runs_the_four_services_each_behind_a_name_and_with_one_away_at_most(case: str):
    for kind in ("Deployment", "Service", "PodDisruptionBudget"):
        assert set(of_kind(case, kind)) == set(OURS), kind


@both
@each
def test_what_selects_finds_its_pods_and_those_alone(case: str, service: str):
    labels = pod(case, service)["metadata"]["labels"]
    wanted = of_kind(case, "Deployment")[service]["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= labels.items()
    assert wanted["app.kubernetes.io/component"] == service
    assert of_kind(case, "Service")[service]["spec"]["selector"] == wanted
    assert of_kind(case, "PodDisruptionBudget")[service]["spec"]["selector"]["matchLabels"] == wanted


@both
@each
def test_every_setting_is_one_the_service_reads_and_the_service_takes_them(case: str, service: str):
    kind = settings_of(service)
    fields = {f"GRIDLINE_{field.upper()}": field for field in kind.model_fields}
    given = environment(case, service)
    assert set(given) <= set(fields), "a misspelt setting would be left out in silence"
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in given.items():
            patch.setenv(variable, value)
        settings = kind()
    assert settings.http_host == "0.0.0.0"  # noqa: S104 - inside a container
    [port] = container(case, service)["ports"]
    assert settings.http_port == port["containerPort"] == kind.model_fields["http_port"].default
    assert of_kind(case, "Service")[service]["spec"]["ports"][0]["port"] == port["containerPort"]
    patience = pod(case, service)["spec"]["terminationGracePeriodSeconds"]
    assert patience > seconds_before_the_end(case, service) + settings.drain_seconds + CLOSING_SECONDS


@both
@each
def test_who_still_has_its_address_is_served_until_all_have_forgotten_it(case: str, service: str):
    """The end is told to the process and to those who send it requests at the same time; the process shuts at once."""
    assert seconds_before_the_end(case, service) >= 5


@both
@each
def test_a_node_can_be_emptied_also_while_nobody_is_ready(case: str, service: str):
    """With Kafka away nobody is: by default no pod could be evicted then, nor Kafka's node mended."""
    assert of_kind(case, "PodDisruptionBudget")[service]["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


@both
@pytest.mark.parametrize("service", ["router", "dedup", "notify"])
def test_agents_and_dispatchers_find_somebody_while_kafka_is_away(case: str, service: str):
    """By /readyz nobody would be left to ask, and what they ask is in the database (test_loop.py works so).

    The next process is exchanged when this one reads its partitions; and one that cannot yet is not killed so soon
    that the cluster starts it less and less often.
    """
    one = container(case, service)
    assert one["startupProbe"]["httpGet"]["path"] == "/readyz"
    assert one["startupProbe"]["periodSeconds"] * one["startupProbe"]["failureThreshold"] > TEN_MINUTES
    assert one["readinessProbe"]["httpGet"]["path"] == one["livenessProbe"]["httpGet"]["path"] == "/healthz"


@both
def test_contacts_are_sent_to_an_intake_that_reaches_kafka(case: str):
    assert container(case, "intake")["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container(case, "intake")["livenessProbe"]["httpGet"]["path"] == "/healthz"


@both
@each
def test_its_processes_are_apart_by_node_and_by_zone(case: str, service: str):
    apart = pod(case, service)["spec"]["topologySpreadConstraints"]
    assert {one["topologyKey"] for one in apart} == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
    for one in apart:
        assert one["labelSelector"] == of_kind(case, "Deployment")[service]["spec"]["selector"]


@both
@each
def test_no_setting_is_made_of_the_names_of_other_services(case: str, service: str):
    """Kubernetes would make GRIDLINE_ROUTER_PORT=tcp://… and the like of them, in the words of our settings."""
    assert pod(case, service)["spec"]["enableServiceLinks"] is False


@both
def test_who_faces_the_world_has_no_key_to_the_database(case: str):
    assert "GRIDLINE_POSTGRES_DSN" not in environment(case, "intake"), "it has no use for it"
    for service in ("router", "dedup", "notify"):
        assert "GRIDLINE_POSTGRES_DSN" in environment(case, service)


@both
def test_callers_are_told_by_the_notify_of_this_release(case: str):
    port = of_kind(case, "Service")["notify"]["spec"]["ports"][0]["port"]
    assert environment(case, "intake")["GRIDLINE_NOTIFY_URL"] == f"http://gridline-notify:{port}"


@both
@each
def test_what_is_mounted_is_there_and_nothing_is_there_that_is_not_mounted(case: str, service: str):
    mounted = [one["name"] for one in container(case, service)["volumeMounts"]]
    assert sorted(mounted) == sorted(one["name"] for one in pod(case, service)["spec"]["volumes"])


@each
def test_files_of_operators_take_the_place_of_those_shipped(service: str):
    kind = settings_of(service)
    given = environment("most", service)
    folders = {"/etc/gridline/rules", "/etc/gridline/credentials"}
    shipped = {f"GRIDLINE_{name.upper()}": one.default for name, one in kind.model_fields.items()}
    for variable, default in shipped.items():
        if isinstance(default, Path):
            place = Path(given[variable])
            assert str(place.parent) in folders, variable
            assert place.name == default.name, "an operator's file is named as the one it stands for"
            assert default.exists()
    assert set(of_kind("most", "ConfigMap")["rules"]["data"]) >= {
        Path(value).name for value in given.values() if value.startswith("/etc/gridline/rules/")
    }


@each
def test_a_service_sees_its_own_credentials_and_no_others(service: str):
    [volume] = [one for one in pod("most", service)["spec"]["volumes"] if one["name"] == "credentials"]
    assert [one["path"] for one in volume["secret"]["items"]] == [CREDENTIALS[service]]


@both
def test_no_password_stands_in_what_is_rendered(case: str):
    for service in OURS:
        for one in container(case, service)["env"]:
            if one["name"] in {"GRIDLINE_POSTGRES_DSN", "GRIDLINE_KAFKA_PASSWORD"}:
                assert "value" not in one


@both
@each
def test_a_process_may_do_nothing_it_need_not(case: str, service: str):
    assert container(case, service)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod(case, service)["spec"]["securityContext"]["runAsNonRoot"] is True
    assert pod(case, service)["spec"]["automountServiceAccountToken"] is False


@both
@pytest.mark.parametrize("service", ["router", "dedup", "notify"])
def test_no_more_consumers_run_than_there_are_partitions_also_while_they_are_exchanged(case: str, service: str):
    values = {case: yaml.safe_load(values_of(case).read_text(encoding="utf-8")) for case in CASES}
    partitions = values[case]["kafka"].get("partitions", 24)
    deployment = of_kind(case, "Deployment")[service]["spec"]
    scaled = of_kind(case, "ScaledObject").get(service)
    most = deployment["replicas"] if scaled is None else scaled["spec"]["maxReplicaCount"]
    assert most + deployment["strategy"]["rollingUpdate"]["maxSurge"] <= partitions


@pytest.mark.parametrize("service", OURS)
def test_what_grows_by_itself_is_told_its_number_by_one_alone(service: str):
    scaled = {**of_kind("most", "ScaledObject"), **of_kind("most", "HorizontalPodAutoscaler")}
    assert scaled[service]["spec"]["scaleTargetRef"]["name"] == f"gridline-{service}"
    assert "replicas" not in of_kind("most", "Deployment")[service]["spec"]


@pytest.mark.parametrize("service", ["router", "dedup", "notify"])
def test_it_grows_with_how_far_behind_it_is_on_every_topic_it_reads(service: str):
    triggers = [one["metadata"] for one in of_kind("most", "ScaledObject")[service]["spec"]["triggers"]]
    reads = {f"north.{topic.name}" for topic in TOPICS if service in topic.consumers}
    if service == "dedup":
        reads.add("north.dispatch.progress.v1")
    assert {one["topic"] for one in triggers} == reads
    assert {one["consumerGroup"] for one in triggers} == {f"north.gridline-{service}"}
    assert {one["sasl"] for one in triggers} == {"scram_sha512"}, "as KEDA writes it"


def test_topics_and_schemas_are_made_before_anything_runs():
    job = of_kind("most", "Job")["prepare"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    [one] = job["spec"]["template"]["spec"]["containers"]
    given = {each["name"]: each.get("value") for each in one["env"]}
    assert given["GRIDLINE_TOPIC_PARTITIONS"] == "12"
    assert given["GRIDLINE_TOPIC_PREFIX"] == "north."
    for line in one["command"][-1].split(" && "):
        command, *words = line.split()
        told = subprocess.run(
            [Path(sys.executable).parent / command, *words, "--help"], check=False, capture_output=True, text=True
        )
        assert told.returncode == 0, told.stderr


def test_nothing_is_erased_unless_it_is_said():
    assert not of_kind("least", "CronJob")


def test_what_is_old_is_erased_day_by_day_photos_too_and_it_is_written_down_who_did_it():
    job = of_kind("most", "CronJob")["forget"]["spec"]
    assert len(job["schedule"].split()) == 5
    assert job["concurrencyPolicy"] == "Forbid"
    template = job["jobTemplate"]["spec"]["template"]
    [one] = template["spec"]["containers"]
    given = {each["name"]: each.get("value") for each in one["env"]}
    assert set(given) == {"GRIDLINE_POSTGRES_DSN", "GRIDLINE_PHOTOS_FOLDER"}
    assert {"name": "photos", "mountPath": given["GRIDLINE_PHOTOS_FOLDER"]} in one["volumeMounts"]
    assert given["GRIDLINE_PHOTOS_FOLDER"] == environment("most", "intake")["GRIDLINE_PHOTOS_FOLDER"]
    assert {each["name"] for each in one["volumeMounts"]} == {each["name"] for each in template["spec"]["volumes"]}
    assert one["command"] == ["gridline", "forget", "--older-than", "1095d", "--yes", "--by", "gridline-forget"]
    told = subprocess.run(
        [Path(sys.executable).parent / "gridline", *one["command"][1:], "--help"], check=False, capture_output=True
    )
    assert told.returncode == 0, told.stderr
    for service in OURS:
        chosen = of_kind("most", "Service")[service]["spec"]["selector"]
        assert not chosen.items() <= template["metadata"]["labels"].items(), "nobody sends it requests"


def test_settings_that_nobody_may_read_come_from_a_secret():
    assert container("most", "notify")["envFrom"] == [{"secretRef": {"name": "notify-webhook"}}]
    assert "envFrom" not in container("least", "notify")


def test_a_start_does_not_go_through_all_photos_that_were_ever_taken():
    """By default every file of a volume is given to the group at every start of a pod."""
    assert pod("most", "intake")["spec"]["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"


def test_the_world_reaches_the_doors_and_the_form_but_not_the_figures():
    [rule] = of_kind("most", "Ingress")["intake"]["spec"]["rules"]
    assert {one["path"] for one in rule["http"]["paths"]} == {"/v1", "/report"}


def test_what_is_measured_has_the_labels_that_rules_and_dashboard_group_by():
    [point] = of_kind("most", "PodMonitor")["gridline"]["spec"]["podMetricsEndpoints"]
    assert {one["targetLabel"]: one.get("replacement") for one in point["relabelings"]} == {
        "job": "gridline",
        "service": None,
    }


if __name__ == "__main__":
    for each_case in CASES:
        rendered_of(each_case).write_text(render(each_case), encoding="utf-8")
