"""What deploy/ ships for a hub in several processes is read by compose, Kubernetes and hadolint where installed."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "deploy" / "compose"
KUBERNETES = ROOT / "deploy" / "kubernetes"
TOOLS = "HUB_TEST_DEPLOY_TOOLS"
"""Names a folder with programs that are not in the path: docker-compose, kubernetes-validate, hadolint."""
OF_OTHERS = re.compile(r"PG|POSTGRES_|PREFECT_|REDIS_URL$|EVENTS_PASSWORD$")
"""Variables that are not the hub's."""


def tool(name: str) -> str:
    """A program that reads what is shipped; tests that ask for one are skipped where it is not installed."""
    places = os.pathsep.join([os.environ.get(TOOLS, ""), os.environ.get("PATH", "")])
    program = shutil.which(name, path=places)
    if program is None:
        pytest.skip(f"{name} is not installed; name its folder in {TOOLS}")
    return program


def accepted(*command: str, folder: Path = ROOT) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def services() -> dict[str, Any]:
    """The services of the compose file."""
    read: dict[str, Any] = yaml.safe_load((COMPOSE / "compose.yml").read_text(encoding="utf-8"))["services"]
    return read


def manifests() -> Iterator[dict[str, Any]]:
    """Every object of the manifests."""
    for path in sorted(KUBERNETES.glob("*.yaml")):
        if path.name != "kustomization.yaml":
            yield from yaml.safe_load_all(path.read_text(encoding="utf-8"))


def named(kind: str) -> dict[str, dict[str, Any]]:
    """The objects of a kind by their names."""
    return {each["metadata"]["name"]: each for each in manifests() if each["kind"] == kind}


WORKLOADS = named("Deployment") | named("StatefulSet")


def containers(workload: str) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = WORKLOADS[workload]["spec"]["template"]["spec"]["containers"]
    return parts


def test_compose_reads_the_file(tmp_path: Path) -> None:
    program = tool("docker-compose")
    shutil.copytree(COMPOSE, tmp_path / "deploy" / "compose")
    folder = tmp_path / "deploy" / "compose"
    shutil.copy(folder / "hub.env.example", folder / "hub.env")
    accepted(program, "config", "-q", folder=folder)
    (folder / "compose.yml").write_text((folder / "compose.yml").read_text() + "no-such-key: 1\n")
    with pytest.raises(AssertionError, match="no-such-key"):
        accepted(program, "config", "-q", folder=folder)


def test_kubernetes_reads_the_manifests() -> None:
    accepted(
        tool("kubernetes-validate"),
        "--strict",
        *(str(path) for path in sorted(KUBERNETES.glob("*.yaml")) if path.name != "kustomization.yaml"),
    )


def test_the_image_follows_the_rules_for_images() -> None:
    accepted(tool("hadolint"), "deploy/Dockerfile")


def test_two_answer_and_three_judge_and_one_of_them_fetches() -> None:
    commands = [" ".join(service.get("command", ())) for service in services().values() if "env_file" in service]
    roles = [command.partition("--role ")[2] for command in commands if "--role" in command]
    replicas = [
        (" ".join(part.get("args", ())).partition("--role ")[2], workload["spec"]["replicas"])
        for name, workload in WORKLOADS.items()
        for part in containers(name)
    ]
    in_cluster = [role for role, count in replicas if role for _ in range(count)]
    assert sorted(roles) == ["api", "gateway", "worker", "worker --without ingest", "worker --without ingest"]
    assert sorted({*in_cluster}) == sorted({*roles})
    assert in_cluster.count("gateway") == in_cluster.count("worker") == 1, "they do what is done once"


def test_settings_are_those_of_the_hub() -> None:
    known = (ROOT / ".env.example").read_text(encoding="utf-8")
    env = re.findall(r"^(\w+)=", (COMPOSE / "hub.env.example").read_text(encoding="utf-8"), re.MULTILINE)
    names = [*env, *named("ConfigMap")["hub"]["data"], *named("Secret")["hub"]["stringData"]]
    names += re.findall(r"(HUB_\w+)=", (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8"))
    assert len(names) > 15
    unknown = {name for name in names if not OF_OTHERS.match(name) and f"{name}=" not in known}
    assert not unknown


def test_the_proxy_sends_to_all_that_answer_and_never_to_the_store() -> None:
    text = (COMPOSE / "nginx.conf").read_text(encoding="utf-8")
    answering = {name for name, service in services().items() if {"gateway", "api"} & set(service.get("command", ()))}
    assert set(re.findall(r"server (\S+):8000", text)) == answering
    assert "location /store { return 404; }" in text
    (ingress,) = named("Ingress").values()
    (rule,) = ingress["spec"]["rules"]
    (closed,) = [path for path in rule["http"]["paths"] if path["path"] == "/store"]
    service = named("Service")[closed["backend"]["service"]["name"]]
    assert "selector" not in service["spec"], "it leads nowhere"


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_workload_has_probes_resources_and_a_budget(name: str) -> None:
    for part in containers(name):
        assert {"startupProbe", "readinessProbe"} <= part.keys()
        ports = {port["name"] for port in part.get("ports", ())}
        probes = [part[key] for key in part if key.endswith("Probe")]
        assert {probe["httpGet"]["port"] for probe in probes if "httpGet" in probe} <= ports
        assert {"cpu", "memory"} <= part["resources"]["requests"].keys()
        assert "memory" in part["resources"]["limits"]
        assert part["securityContext"]["readOnlyRootFilesystem"]
        mounts = {mount["name"] for mount in part["volumeMounts"]}
        spec = WORKLOADS[name]["spec"]
        volumes = {volume["name"] for volume in spec["template"]["spec"].get("volumes", ())}
        volumes |= {claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", ())}
        assert mounts == volumes
    labels = WORKLOADS[name]["spec"]["template"]["metadata"]["labels"]
    budget = named("PodDisruptionBudget")[name]["spec"]
    assert budget["selector"]["matchLabels"].items() <= labels.items()
    # A single one that may never be away would keep its machine from being emptied.
    assert budget.get("minAvailable", 0) < WORKLOADS[name]["spec"]["replicas"]


def test_the_list_of_manifests_is_complete_and_secrets_are_not_kept() -> None:
    listed = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text(encoding="utf-8"))["resources"]
    there = {path.name for path in KUBERNETES.glob("*.yaml")} - {"kustomization.yaml", "secret.example.yaml"}
    assert set(listed) == there | {"secret.yaml"}
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {"deploy/compose/hub.env", "deploy/kubernetes/secret.yaml"} <= set(ignored)
