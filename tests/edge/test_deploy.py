"""The files of deploy/: each is held against its own schema, and against the program it starts."""

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from adapters.house.worker_side import DRAIN_MS
from adapters.sandbox.scenario import World
from adapters.settings import load_settings
from tests.architecture.source_tree import ROOT
from tests.architecture.test_documents import PROGRAM, commands_in, unknown_in
from tests.edge.test_prometheus_names import PROMISED
from tests.prometheus_tools import require_tool

DEPLOY = ROOT / "deploy"
COMPOSE, KUBERNETES = DEPLOY / "compose/compose.yml", DEPLOY / "kubernetes/penstock.yml"
DOCKERFILE = DEPLOY / "container/Dockerfile"
# https://github.com/compose-spec/compose-spec/blob/170098b/schema/compose-spec.json
COMPOSE_SCHEMA = ROOT / "tests/data/compose-spec.json"
VERSIONS = ("1.31", "1.34", kubernetes_validate.latest_version())
OURS = ("api", "worker", "sandbox", "setup")
Manifest = dict[str, Any]


# -- the container --------------------------------------------------------------------------------


def instructions() -> list[tuple[str, str]]:
    """Return the container file's instructions, each on one line."""
    text = re.sub(r"\\\n\s*", " ", DOCKERFILE.read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split()[0], line.partition(" ")[2]) for line in lines]


def last(name: str) -> str:
    return [rest for word, rest in instructions() if word == name][-1]


def copied() -> list[str]:
    """Return what is copied from the repository."""
    return [
        source
        for word, rest in instructions()
        if word == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    ]


def test_the_container_runs_as_nobody_and_starts_the_program() -> None:
    uid, _, gid = last("USER").partition(":")
    assert int(uid) > 1_000
    assert int(gid) > 1_000
    assert json.loads(last("ENTRYPOINT")) == ["penstock"]
    assert json.loads(last("CMD"))[0] in PROGRAM.commands
    assert f"-o {uid} -g {gid} -m 0700 /data" in DOCKERFILE.read_text()


def test_the_container_is_small_and_says_what_it_is_made_of() -> None:
    bases = [rest.split()[0] for word, rest in instructions() if word == "FROM"]
    assert {re.sub(r"\d+\.\d+", "N", base) for base in bases} == {"python:N-slim-bookworm"}
    assert len(bases) == 2, "what builds is left behind"
    assert not re.search(r"apt-get|ADD |curl|SECRET|PASSWORD", DOCKERFILE.read_text())


def test_what_is_copied_is_there_and_not_ignored() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines()}
    assert copied()
    for source in copied():
        assert (ROOT / source).exists()
        assert source in allowed


@pytest.mark.slow
def test_what_is_copied_is_enough_to_install_it(tmp_path: Path) -> None:
    """As the image does: from these files alone; scripts and entry point are in the wheel."""
    for source in copied():
        subprocess.run(["cp", "-r", str(ROOT / source), str(tmp_path)], check=True)
    wheels = tmp_path / "wheels"
    command = [*(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w"), str(wheels), "."]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    [wheel] = wheels.glob("penstock-*.whl")
    with zipfile.ZipFile(wheel) as content:
        names = content.namelist()
        [entry] = [name for name in names if name.endswith("entry_points.txt")]
        assert b"penstock = adapters.main:main" in content.read(entry)
    scripts = {path.name for path in (ROOT / "adapters/redis/lua").glob("*.lua")}
    assert {Path(name).name for name in names if name.endswith(".lua")} == scripts


# -- compose --------------------------------------------------------------------------------------


def compose() -> Manifest:
    content: Manifest = yaml.safe_load(COMPOSE.read_text())
    return content


def services() -> dict[str, Manifest]:
    found: dict[str, Manifest] = compose()["services"]
    return found


def schema_faults(content: Manifest) -> list[str]:
    schema = json.loads(COMPOSE_SCHEMA.read_text())
    assert "draft-07" in schema["$schema"]
    faults = jsonschema.Draft7Validator(schema).iter_errors(content)
    return [error.message for error in faults]


def test_the_compose_file_obeys_the_compose_specification() -> None:
    assert schema_faults(compose()) == []


def test_a_planted_fault_is_told() -> None:
    content = compose()
    content["services"]["api"]["read_onlly"] = True
    assert any("read_onlly" in fault for fault in schema_faults(content))


@pytest.mark.parametrize("name", OURS)
def test_our_services_have_a_root_that_is_read_only_and_no_rights(name: str) -> None:
    service = services()[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert "privileged" not in service


@pytest.mark.parametrize("name", ["api", "worker", "sandbox"])
def test_our_services_start_commands_that_exist(name: str) -> None:
    assert unknown_in([str(word) for word in services()[name]["command"]], PROGRAM) == []


def test_the_setup_runs_commands_that_exist() -> None:
    [script] = services()["setup"]["command"]
    lines = re.sub(r"^.*\| ", "", script, flags=re.MULTILINE)
    found = list(commands_in(f"```\n{lines}\n```\n"))
    assert len(found) == 3
    assert [wrong for words in found if (wrong := unknown_in(words, PROGRAM))] == []


@pytest.mark.parametrize("name", ["api", "worker"])
def test_our_services_are_given_settings_that_exist(name: str, tmp_path: Path) -> None:
    environment: dict[str, str] = services()[name]["environment"]
    settings = load_settings({}, environment=environment, directory=tmp_path)
    world = World.load(COMPOSE.parent / "world.json")
    assert settings.window_ms == world.window_ms
    assert settings.app_secrets == (world.webhook.app_secret,)
    grace_s = int(services()[name]["stop_grace_period"].removesuffix("s"))
    assert grace_s * 1_000 > DRAIN_MS + 10_000


def mounted() -> Iterator[Path]:
    for service in services().values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            if source.startswith("."):
                yield COMPOSE.parent / source


def test_what_is_mounted_is_there() -> None:
    paths = list(mounted())
    assert len(paths) >= 5
    assert [path for path in paths if not path.exists()] == []


def test_ports_are_open_to_this_machine_only_and_images_are_pinned() -> None:
    for service in services().values():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")
        image = service["image"]
        assert image == "penstock" or re.search(r":v?\d+\.\d+", image), image


def test_grafana_finds_the_boards_and_their_source() -> None:
    volumes = dict(volume.split(":")[:2] for volume in services()["grafana"]["volumes"][:2])
    provisioning = DEPLOY / "grafana/provisioning"
    [source] = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())[
        "datasources"
    ]
    [provider] = yaml.safe_load((provisioning / "dashboards/penstock.yml").read_text())["providers"]
    assert provider["options"]["path"] in volumes.values()
    assert source["url"] == "http://prometheus:9090"
    for board in (DEPLOY / "grafana/dashboards").glob("*.json"):
        assert json.loads(board.read_text())["panels"][0]["datasource"]["uid"] == source["uid"]


def test_prometheus_takes_its_configuration() -> None:
    command = [require_tool("promtool"), "check", "config", "prometheus.yml"]
    where = DEPLOY / "prometheus"
    judged = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stdout + judged.stderr
    content = yaml.safe_load((where / "prometheus.yml").read_text())
    targets = content["scrape_configs"][0]["static_configs"][0]["targets"]
    processes = int(services()["worker"]["command"][-1])
    assert targets == ["sandbox:8080", *[f"sandbox:{9108 + n}" for n in range(processes)]]


# -- Kubernetes -----------------------------------------------------------------------------------


def manifests(kind: str = "") -> list[Manifest]:
    found = list(yaml.safe_load_all(KUBERNETES.read_text()))
    return [each for each in found if kind in ("", each["kind"])]


def pods() -> list[Manifest]:
    return [each["spec"]["template"] for each in manifests("Deployment")]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_manifests_obey_kubernetes_own_schemas(version: str) -> None:
    for each in manifests():
        kubernetes_validate.validate(each, version, strict=True)


def test_a_planted_fault_in_a_manifest_is_told() -> None:
    [first, _] = manifests("Deployment")
    first["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(first, VERSIONS[0], strict=True)


@pytest.mark.parametrize("pod", pods(), ids=lambda pod: pod["spec"]["containers"][0]["args"][0])
def test_a_pod_has_no_rights_and_is_unready_before_it_is_dead(pod: Manifest) -> None:
    [container] = pod["spec"]["containers"]
    assert pod["spec"]["securityContext"]["runAsNonRoot"]
    assert f"{pod['spec']['securityContext']['runAsUser']}:" in last("USER")
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert unknown_in(container["args"], PROGRAM) == []
    ready, alive = container["readinessProbe"], container["livenessProbe"]
    assert (ready["httpGet"]["path"], alive["httpGet"]["path"]) == ("/readyz", "/healthz")
    slowest_ready_s = ready["periodSeconds"] * ready["failureThreshold"]
    assert slowest_ready_s * 5 < alive["periodSeconds"] * alive["failureThreshold"]
    assert pod["spec"]["terminationGracePeriodSeconds"] * 1_000 > DRAIN_MS + 10_000


def test_the_configuration_has_settings_that_exist(tmp_path: Path) -> None:
    [config] = manifests("ConfigMap")
    settings = load_settings({}, environment=config["data"], directory=tmp_path)
    ports = {
        port["containerPort"] for pod in pods() for port in pod["spec"]["containers"][0]["ports"]
    }
    assert ports == {settings.listen_address[1], settings.metrics_address[1]}
    for pod in pods():
        annotated = int(pod["metadata"]["annotations"]["prometheus.io/port"])
        [port] = pod["spec"]["containers"][0]["ports"]
        assert annotated == port["containerPort"]
    secret = re.findall(r"PENSTOCK_\w+(?==)", KUBERNETES.read_text().split("\napiVersion")[0])
    load_settings(
        {},
        environment=dict.fromkeys(secret, "redis://long-enough-0123456789"),
        directory=tmp_path,
    )
    assert len(secret) == 5


def test_selectors_and_budgets_and_the_autoscaler_find_what_they_are_for() -> None:
    labels = [pod["metadata"]["labels"] for pod in pods()]
    for each in manifests("Deployment") + manifests("PodDisruptionBudget"):
        assert labels.count(each["spec"]["selector"]["matchLabels"]) == 1
    [service] = manifests("Service")
    assert labels.count(service["spec"]["selector"]) == 1
    [scaler] = manifests("HorizontalPodAutoscaler")
    target = scaler["spec"]["scaleTargetRef"]["name"]
    [scaled] = [each for each in manifests("Deployment") if each["metadata"]["name"] == target]
    assert "replicas" not in scaled["spec"], "the autoscaler has the number"
    [metric] = scaler["spec"]["metrics"]
    name = metric["external"]["metric"]["name"]
    assert PROMISED[name][0] == "gauge"
    assert name in (KUBERNETES.parent / "README.md").read_text()
