"""What the chart renders is valid, is what was reviewed, and meets the Pod Security Standard *restricted*."""

import functools

import helm_python as helm
import kubernetes_validate
import promql_parser
import pytest
from chart import CASES, CHART, CHECKOUT, NAMESPACE, RELEASE, changed, objects, pod_specs, read_yaml, templates, the
from cloudcoil.models.keda.v1alpha1 import ScaledObject
from cloudcoil.models.prometheus_operator.v1 import PodMonitor, PrometheusRule
from golden import compare

# The oldest that Chart.yaml allows, one between, and the newest whose schemas there are.
KUBERNETES = ["1.30", "1.33", "1.37"]

# It would read megabytes of schemas for every object.
kubernetes_validate.utils.schema_contents = functools.cache(kubernetes_validate.utils.schema_contents)

# Models of the operators' published schemas.
OPERATORS = {"ScaledObject": ScaledObject, "PodMonitor": PodMonitor, "PrometheusRule": PrometheusRule}

SNAPSHOTS = CHECKOUT / "tests/chart/snapshots"

every_case = pytest.mark.parametrize("case", CASES)


@every_case
def test_lint_finds_nothing(case):
    report = helm.lint(CHART, CASES[case], strict=True, namespace=NAMESPACE, quiet=True)
    assert report["errors"] == []
    assert [m["error"] for m in report["messages"] if m["severity"] > 1] == []


@every_case
def test_a_release_is_what_was_reviewed(case):
    made = templates(CASES[case])
    if "dashboard.yaml" in made:
        made["dashboard.yaml"] = made["dashboard.yaml"].split("docplanner-worker.json: |")[0] + "docplanner-worker.json: …"
    text = "".join(f"##### {name}\n{made[name].strip()}\n\n" for name in sorted(made))
    compare(SNAPSHOTS / f"{case}.yaml", text)


def test_every_snapshot_has_its_values():
    assert {path.stem for path in SNAPSHOTS.iterdir()} == set(CASES)


@every_case
@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_accepts_every_object(case, version):
    for each in objects(CASES[case]):
        if "k8s.io" in each["apiVersion"] or "." not in each["apiVersion"]:
            kubernetes_validate.validate(each, version, strict=True)


@every_case
def test_operators_accept_their_objects(case):
    for each in objects(CASES[case]):
        if each["kind"] in OPERATORS:
            # Models drop what they do not know: what comes back whole was known.
            model = OPERATORS[each["kind"]].model_validate(each)
            assert model.model_dump(mode="json", by_alias=True, exclude_unset=True) == each


def test_every_kind_of_object_is_checked_against_a_schema():
    kinds = {(each["apiVersion"], each["kind"]) for case in CASES for each in objects(CASES[case])}
    beyond = {(version, kind) for version, kind in kinds if "." in version and "k8s.io" not in version}
    # No registry that we use carries the External Secrets operator's schemas; see the next test.
    assert {kind for _, kind in beyond} == {*OPERATORS, "ExternalSecret"}


def test_an_external_secret_has_what_the_operator_requires():
    secrets = [each for each in objects(CASES["external-secrets"]) if each["kind"] == "ExternalSecret"]
    assert len(secrets) == 3
    for secret in secrets:
        spec = secret["spec"]
        assert set(spec) <= {"refreshInterval", "secretStoreRef", "target", "data", "dataFrom"}
        assert set(spec["secretStoreRef"]) == {"kind", "name"}
        assert spec["target"] == {"name": secret["metadata"]["name"]}
        assert all(entry["secretKey"] and entry["remoteRef"]["key"] for entry in spec.get("data", []))
        assert all(entry["extract"]["key"] for entry in spec.get("dataFrom", []))
        assert spec.get("data") or spec.get("dataFrom")


@every_case
def test_every_pod_meets_the_restricted_pod_security_standard(case):
    allowed_volumes = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
    for name, spec in pod_specs(objects(CASES[case])).items():
        assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & set(spec), name
        assert all(set(volume) - {"name"} <= allowed_volumes for volume in spec["volumes"]), name
        pod = spec["securityContext"]
        assert pod["runAsNonRoot"] is True and pod["runAsUser"] > 0, name
        assert pod["seccompProfile"]["type"] == "RuntimeDefault", name
        for container in spec["containers"] + spec.get("initContainers", []):
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False, name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert not {"privileged", "runAsUser", "runAsNonRoot", "procMount", "seccompProfile"} & set(security), name
            assert not any("hostPort" in port for port in container.get("ports", [])), name


@every_case
def test_no_pod_can_write_its_image_speak_to_kubernetes_or_take_all_memory(case):
    for name, spec in pod_specs(objects(CASES[case])).items():
        assert spec["automountServiceAccountToken"] is False, name
        for container in spec["containers"] + spec.get("initContainers", []):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
            assert "memory" in container["resources"]["limits"], name


@every_case
def test_whatever_a_pod_mounts_is_a_folder_that_follows_its_secret(case):
    for name, spec in pod_specs(objects(CASES[case])).items():
        volumes = {volume["name"] for volume in spec["volumes"]}
        for container in spec["containers"] + spec.get("initContainers", []):
            mounts = container["volumeMounts"]
            assert {mount["name"] for mount in mounts} == volumes, name
            assert not any("subPath" in mount for mount in mounts), name


@every_case
def test_no_secret_is_made_here(case):
    assert not any(each["kind"] == "Secret" for each in objects(CASES[case]))


def test_a_hook_needs_nothing_that_comes_after_it():
    for case in CASES:
        release = objects(CASES[case])
        hooks = [each for each in release if "helm.sh/hook" in each["metadata"].get("annotations", {})]
        before = [each for each in hooks if each["metadata"]["annotations"]["helm.sh/hook"].startswith("pre-install")]
        made_later = {(each["kind"], each["metadata"]["name"]) for each in release if each not in before}
        for each in before:
            if each["kind"] == "Job":
                spec = each["spec"]["template"]["spec"]
                settings = next(volume for volume in spec["volumes"] if volume["name"] == "settings")
                assert ("ConfigMap", settings["configMap"]["name"]) not in made_later
                assert ("ServiceAccount", spec["serviceAccountName"]) not in made_later


def test_only_workers_belong_to_the_deployment_and_are_scraped():
    release = objects(CASES["full"])
    selectors = [
        the("Deployment", release)["spec"]["selector"]["matchLabels"],
        the("PodMonitor", release)["spec"]["selector"]["matchLabels"],
        the("PodDisruptionBudget", release)["spec"]["selector"]["matchLabels"],
    ]
    labels = the("Deployment", release)["spec"]["template"]["metadata"]["labels"]
    others = [
        the("Job", release, component="migrate")["spec"]["template"]["metadata"]["labels"],
        the("Pod", release, component="check")["metadata"]["labels"],
    ]
    for selector in selectors:
        assert selector.items() <= labels.items()
        assert not any(selector.items() <= other.items() for other in others)


def test_the_network_policy_covers_every_pod_of_the_release():
    release = objects(CASES["full"])
    selector = the("NetworkPolicy", release)["spec"]["podSelector"]["matchLabels"].items()
    assert selector <= the("Deployment", release)["spec"]["template"]["metadata"]["labels"].items()
    assert selector <= the("Pod", release, component="check")["metadata"]["labels"].items()
    migration = the("NetworkPolicy", release, component="migrate")["spec"]["podSelector"]["matchLabels"].items()
    assert migration <= the("Job", release, component="migrate")["spec"]["template"]["metadata"]["labels"].items()


def test_scaling_asks_for_series_of_this_release_only():
    query = the("ScaledObject", objects(CASES["full"]))["spec"]["triggers"][0]["metadata"]["query"]
    promql_parser.parse(query)
    assert query.count("docplanner_worker_") == query.count(f'{{namespace="{NAMESPACE}",job="{RELEASE}"') == 2


def alerts(values: dict) -> dict[str, dict]:
    groups = the("PrometheusRule", objects(values))["spec"]["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def test_alerts_are_those_of_the_file_with_links_to_your_runbook():
    file = read_yaml(CHART / "files/alerts.yaml")
    names = {rule["alert"] for group in file["groups"] for rule in group["rules"] if "alert" in rule}
    full = CASES["full"]
    assert set(alerts(full)) == names
    for alert in alerts(full).values():
        promql_parser.parse(alert["expr"])
        link = alert["annotations"]["runbook_url"]
        assert link == f"https://wiki.example.com/docplanner-worker#{alert['alert'].lower()}"
    for alert in alerts(changed(full, "metrics.prometheusRule.runbookUrl", "")).values():
        assert "runbook_url" not in alert["annotations"]


def test_the_packaged_chart_renders_the_same(tmp_path):
    archive = helm.Chart.load(CHART).save(tmp_path)
    packaged = helm.Chart.load(archive)
    files = {file["name"] for file in packaged.files}
    assert {"README.md", "files/alerts.yaml", "files/dashboard.json"} <= files
    assert not any(name.startswith("ci/") for name in files)
    assert packaged.render(CASES["full"], name=RELEASE, namespace=NAMESPACE) == helm.Chart.load(CHART).render(
        CASES["full"], name=RELEASE, namespace=NAMESPACE
    )
