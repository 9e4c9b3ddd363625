"""worker.toml as rendered: what the worker says of it, when pods are replaced for it, and how long they may take to stop."""

import json
import re
import tomllib

import pytest
from chart import CASES, CHART, CHECKOUT, changed, objects, refusal, the
from worker import complaints_about

MINIMAL = CASES["minimal"]
FULL = CASES["full"]

OWN_SETTINGS = [case for case, values in CASES.items() if not values.get("existingConfigMap")]

SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def settings(values: dict) -> str:
    return the("ConfigMap", objects(values))["data"]["worker.toml"]


def pod_template(values: dict) -> dict:
    return the("Deployment", objects(values))["spec"]["template"]


def grace_period(values: dict) -> int:
    return pod_template(values)["spec"]["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("case", OWN_SETTINGS)
def test_the_worker_accepts_what_is_rendered(case, tmp_path):
    assert complaints_about(settings(CASES[case]), tmp_path) == ""


def test_numbers_stay_whole():
    read = tomllib.loads(settings(FULL))
    assert read["broker"]["max_body_bytes"] == 1048576
    assert isinstance(read["broker"]["prefetch"], int)
    assert isinstance(read["tenants"][0]["limits"]["concurrency"], int)
    assert read["traces"]["sample_ratio"] == 0.05


def test_the_migration_reads_the_same_settings_as_the_pods():
    release = objects(FULL)
    assert the("ConfigMap", release, component="migrate")["data"] == the("ConfigMap", release)["data"]


def properties(place: dict) -> dict[str, dict]:
    """The keys of a section of the schema, with what they hold."""
    if "$ref" in place:
        place = SCHEMA["definitions"][place["$ref"].rsplit("/", 1)[1]]
    return place.get("properties") or (properties(place["items"]) if "items" in place else {})


def keys(schema: dict, path: str = "") -> set[str]:
    return {
        key
        for name, place in properties(schema).items()
        for key in (keys(place, f"{path}{name}.") or {f"{path}{name}"})
    }


def keys_in(read: dict, path: str = "") -> set[str]:
    found = set()
    for name, value in read.items():
        sections = [value] if isinstance(value, dict) else value if isinstance(value, list) else []
        sections = [section for section in sections if isinstance(section, dict)]
        for section in sections:
            found |= keys_in(section, f"{path}{name}.")
        if not sections:
            found.add(f"{path}{name}")
    return found


def known_to_the_schema() -> set[str]:
    return keys(SCHEMA["properties"]["settings"]) | keys(SCHEMA["properties"]["tenants"], "tenants.")


def test_the_full_values_use_every_setting_so_that_the_worker_is_asked_about_each():
    elsewhere = {"broker.url", "database.url", "tenants.routes.match.modality"}
    assert known_to_the_schema() - keys_in(tomllib.loads(settings(FULL))) == elsewhere


def test_every_setting_of_the_readme_can_be_given():
    readme = (CHECKOUT / "README.md").read_text()
    example = re.search(r"## Settings.*?```toml\n(.*?)```", readme, re.DOTALL).group(1)
    # What is commented out is a setting too.
    example = re.sub(r"^# (?=[a-z_]+ = )", "", example, flags=re.MULTILINE)
    # Those that go by Secrets only.
    never = {"tenants.client_secret"}
    assert keys_in(tomllib.loads(example)) - never <= known_to_the_schema()


def test_a_tenant_alone_does_not_replace_pods():
    more = changed(MINIMAL, "tenants", MINIMAL["tenants"] + [{"id": "new", "domain": "doctoralia.es", "client_id": "1"}])
    assert settings(more) != settings(MINIMAL)
    assert pod_template(more) == pod_template(MINIMAL)


@pytest.mark.parametrize(
    "path, value",
    [
        ("settings.broker.prefetch", 64),
        ("settings.broker.drain_timeout", "26s"),
        ("settings.log.level", "debug"),
        ("settings.database.lease", "40s"),
        ("secrets.broker.ca.secret", "ca"),
    ],
)
def test_any_other_setting_replaces_pods(path, value):
    other = pod_template(changed(MINIMAL, path, value))
    checksum = "checksum/settings"
    assert other["metadata"]["annotations"][checksum] != pod_template(MINIMAL)["metadata"]["annotations"][checksum]


@pytest.mark.parametrize(
    "path, value",
    [("podDisruptionBudget.enabled", False), ("metrics.podMonitor.enabled", True), ("networkPolicy.enabled", True), ("replicas", 5)],
)
def test_what_surrounds_the_pods_does_not_replace_them(path, value):
    assert pod_template(changed(MINIMAL, path, value)) == pod_template(MINIMAL)


# As the worker reads them, in seconds.
DURATIONS = {
    "25s": 25,
    "1500ms": 2,
    "1m 30s": 90,
    "1m30s": 90,
    "2min": 120,
    "1h 1m 1s": 3661,
    "90 seconds": 90,
    "08s": 8,
}


@pytest.mark.parametrize("duration, seconds", DURATIONS.items())
def test_the_grace_period_is_the_drain_and_a_margin(duration, seconds, tmp_path):
    values = changed(MINIMAL, "settings.broker.drain_timeout", duration)
    assert grace_period(values) == seconds + 10
    assert complaints_about(settings(values), tmp_path) == ""


def test_the_grace_period_counts_what_comes_before_the_drain():
    # 1m 30s, 15 s of margin, 5 s of preStop.
    assert grace_period(FULL) == 110
    hook = pod_template(FULL)["spec"]["containers"][0]["lifecycle"]["preStop"]
    assert hook == {"sleep": {"seconds": 5}}


@pytest.mark.parametrize("duration", ["soon", "25", "1.5s", "25x", "-5s"])
def test_what_is_no_duration_is_refused(duration):
    message = refusal(changed(MINIMAL, "settings.broker.drain_timeout", duration))
    assert "at '/settings/broker/drain_timeout'" in message or f'"{duration}" is not a duration such as "25s"' in message


def behaviors(values: dict) -> list[dict]:
    keda = changed(changed(values, "autoscaling.enabled", True), "autoscaling.keda.serverAddress", "http://prometheus")
    scaled = the("ScaledObject", objects(changed(keda, "autoscaling.kind", "keda")))
    hpa = the("HorizontalPodAutoscaler", objects(changed(keda, "autoscaling.kind", "hpa")))
    return [scaled["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"], hpa["spec"]["behavior"]]


@pytest.mark.parametrize("drain", ["1s", "25s", "5m", "20m"])
def test_scaling_down_is_slower_than_a_drain(drain):
    values = changed(MINIMAL, "settings.broker.drain_timeout", drain)
    for behavior in behaviors(values):
        [policy] = behavior["scaleDown"]["policies"]
        assert policy["type"] == "Pods" and policy["value"] == 1
        assert policy["periodSeconds"] > grace_period(values)
        assert behavior["scaleDown"]["stabilizationWindowSeconds"] >= 2 * grace_period(values)
        # The longest that Kubernetes takes.
        assert policy["periodSeconds"] <= 1800
        assert behavior["scaleDown"]["stabilizationWindowSeconds"] <= 3600


def test_the_backlog_counts_what_is_in_flight():
    query = the("ScaledObject", objects(FULL))["spec"]["triggers"][0]["metadata"]["query"]
    assert query.startswith("max(docplanner_worker_queue_messages{")
    assert "+ sum(docplanner_worker_deliveries_in_flight{" in query


def test_a_scaled_deployment_has_no_number_of_its_own():
    assert "replicas" not in the("Deployment", objects(FULL))["spec"]
    assert the("Deployment", objects(MINIMAL))["spec"]["replicas"] == 2


def test_the_port_is_that_of_the_settings():
    container = pod_template(changed(MINIMAL, "settings.http.listen", "[::]:8080"))["spec"]["containers"][0]
    assert container["ports"] == [{"name": "http", "containerPort": 8080}]


def test_many_tenants_fit_into_a_config_map():
    assert len(CASES["many-tenants"]["tenants"]) == 200
    assert len(settings(CASES["many-tenants"])) < 2**20 / 4
