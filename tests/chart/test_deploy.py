"""deploy/: the Dockerfile and Compose. Without a Docker engine: linted, and what they name is there."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

from chart import CHART, CHECKOUT, read_yaml
from worker import complaints

DEPLOY = CHECKOUT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
COMPOSE = read_yaml(DEPLOY / "compose.yaml")
CARGO = tomllib.loads((CHECKOUT / "Cargo.toml").read_text())

TOOLS = Path(sys.executable).parent


def stages() -> dict[str, list[str]]:
    """The Dockerfile's instructions by the name of their stage, in its order."""
    text = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", DOCKERFILE, flags=re.MULTILINE))
    found: dict[str, list[str]] = {"": []}
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("FROM "):
            found[line.rsplit(" AS ", 1)[1]] = []
        found[list(found)[-1]].append(line)
    return found


def test_hadolint_finds_nothing_in_the_dockerfile():
    result = subprocess.run([TOOLS / "hadolint", "--no-color", DEPLOY / "Dockerfile"], capture_output=True, text=True)
    assert result.stdout + result.stderr == ""


def test_the_image_is_small_not_root_and_without_shell_or_healthcheck():
    final = stages()["worker"]
    assert list(stages())[-1] == "worker"
    assert final[0] == "FROM ${RUNTIME_IMAGE} AS worker"
    assert "gcr.io/distroless/" in DOCKERFILE
    assert "USER 65532:65532" in final
    assert not any(line.startswith(("RUN", "HEALTHCHECK", "SHELL", "ADD")) for line in final)
    # In the form that needs no shell.
    assert [line for line in final if line.startswith(("ENTRYPOINT", "CMD"))] == [
        'ENTRYPOINT ["/usr/local/bin/docplanner-worker"]',
        'CMD ["run"]',
    ]


def test_the_simulator_is_not_in_the_workers_image():
    assert [line for line in stages()["worker"] if line.startswith("COPY")] == [
        "COPY --from=build-worker /build/target/release/docplanner-worker /usr/local/bin/docplanner-worker"
    ]
    [build] = [line for line in stages()["build-worker"] if line.startswith("RUN")]
    assert "--locked --release --no-default-features --bin docplanner-worker" in build
    assert "simulator" in CARGO["features"]["default"]


def test_the_image_bears_the_version_of_the_program_and_the_chart():
    chart = read_yaml(CHART / "Chart.yaml")
    version = CARGO["package"]["version"]
    assert f"ARG VERSION={version}\n" in DOCKERFILE
    assert chart["appVersion"] == version
    assert f"ARG RUST_IMAGE=rust:{CARGO['package']['rust-version']}-" in DOCKERFILE


def in_context(path: Path) -> bool:
    """Whether .dockerignore lets a path of the checkout into the build. It refuses all, and then names what is needed."""
    first, *allowed = [line for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] not in ("", "#")]
    assert first == "*" and all(line.startswith("!") for line in allowed)
    return path.relative_to(CHECKOUT).parts[0] in {line[1:] for line in allowed}


def test_everything_that_is_copied_is_in_the_build_context():
    for instructions in stages().values():
        for line in instructions:
            if line.startswith("COPY") and "--from" not in line:
                for source in shlex.split(line)[1:-1]:
                    assert (CHECKOUT / source).exists() and in_context(CHECKOUT / source), source


def test_everything_that_the_sources_include_is_copied():
    included = [CHECKOUT / "migrations"]
    for file in (CHECKOUT / "src").rglob("*.rs"):
        included += [(file.parent / name).resolve() for name in re.findall(r'include_(?:str|bytes)!\("([^"]+)"\)', file.read_text())]
    copied = [CHECKOUT / source for line in stages()["sources"] if line.startswith("COPY") for source in shlex.split(line)[1:-1]]
    for path in included:
        assert any(path.is_relative_to(source) for source in copied), path


def test_cargo_accepts_the_stubs_around_which_dependencies_are_built(tmp_path):
    [stubs] = [line for line in stages()["dependencies"] if line.startswith("RUN mkdir")]
    subprocess.run(["sh", "-c", stubs.removeprefix("RUN ")], cwd=tmp_path, check=True)
    for name in ("Cargo.toml", "Cargo.lock"):
        (tmp_path / name).write_bytes((CHECKOUT / name).read_bytes())
    command = ["cargo", "metadata", "--locked", "--offline", "--no-deps", "--format-version=1"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    targets = [target for target in json.loads(result.stdout)["packages"][0]["targets"] if target["name"] == "docplanner-worker"]
    assert [Path(target["src_path"]).exists() for target in targets] == [True]


def test_compose_files_are_valid():
    files = [CHECKOUT / "deploy/compose.yaml", CHECKOUT / "tests/servers.d/compose.yaml"]
    command = [TOOLS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", *files]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_everything_that_compose_mounts_and_builds_is_there():
    for name, service in COMPOSE["services"].items():
        for volume in service.get("volumes", []):
            assert (DEPLOY / volume.split(":")[0]).is_file(), f"{name}: {volume}"
            assert volume.endswith(":ro"), f"{name}: {volume}"
        if build := service.get("build"):
            assert build.get("target", "worker") in stages(), name
    built = {service["image"] for service in COMPOSE["services"].values() if "build" in service}
    assert {"docplanner-worker:compose", "docplanner-simulator:compose"} == built


def test_compose_waits_for_what_a_service_needs():
    for name, service in COMPOSE["services"].items():
        for needed in service.get("depends_on", []):
            assert needed in COMPOSE["services"], name
    assert {"migrate", "topology"} <= set(COMPOSE["services"]["worker"]["depends_on"])
    assert COMPOSE["services"]["worker"]["deploy"]["replicas"] == 2


def test_only_this_machine_reaches_what_compose_starts():
    for name, service in COMPOSE["services"].items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name


def test_the_worker_accepts_the_settings_for_compose():
    assert complaints(DEPLOY / "compose/worker.toml") == ""


def test_what_scaling_asks_of_prometheus_is_measured():
    told = (CHECKOUT / "README.md").read_text()
    for file in [*CHART.glob("templates/*.*"), CHART / "README.md"]:
        for metric in set(re.findall(r"docplanner_worker_([a-z_]+)", file.read_text())):
            assert f"`{metric}`" in told or metric == "backlog", f"{file.name}: {metric}"
