"""The chart, rendered by Helm 4's own library as `helm template` does it."""

import copy
import functools
import json
from pathlib import Path

import helm_python as helm
import yaml

CHECKOUT = Path(__file__).parents[2]
CHART = CHECKOUT / "helm/docplanner-worker"
RELEASE = "docplanner"
NAMESPACE = "integration"


@functools.cache
def read_yaml(path: Path) -> dict:
    return yaml.load(path.read_text(), Loader=yaml.CSafeLoader)


# Every shape of a release that people install, by the name of its file.
CASES = {path.name.removesuffix("-values.yaml"): read_yaml(path) for path in sorted(CHART.glob("ci/*-values.yaml"))}


@functools.cache
def load() -> helm.Chart:
    return helm.Chart.load(CHART)


def templates(values: dict, **options) -> dict[str, str]:
    """What each template becomes, by its name; without those that become nothing."""
    return rendered(json.dumps(values), **options)


@functools.cache
def rendered(values: str, **options) -> dict[str, str]:
    made = load().render(json.loads(values), name=RELEASE, namespace=NAMESPACE, **options)
    return {name.split("/templates/")[1]: text for name, text in made.items() if text.strip()}


def notes(values: dict, **options) -> str:
    return templates(values, **options)["NOTES.txt"]


def objects(values: dict, **options) -> list[dict]:
    """All objects of a release, hooks included."""
    manifests = (text for name, text in templates(values, **options).items() if name != "NOTES.txt")
    return [found for text in manifests for found in yaml.load_all(text, Loader=yaml.CSafeLoader) if found]


def the(kind: str, among: list[dict], *, component: str | None = None) -> dict:
    """The one object of a kind, without those of the migration and the test unless they are asked for."""
    found = [
        each
        for each in among
        if each["kind"] == kind
        and (component or "worker") == each["metadata"]["labels"].get("app.kubernetes.io/component", "worker")
        and not each["metadata"]["name"].endswith("-dashboard")
    ]
    assert len(found) == 1, f"{len(found)} objects of kind {kind}"
    return found[0]


def pod_specs(among: list[dict]) -> dict[str, dict]:
    """The specification of every pod, by kind and name of what makes it."""
    specs = {}
    for each in among:
        name = f"{each['kind']} {each['metadata']['name']}"
        if each["kind"] == "Pod":
            specs[name] = each["spec"]
        elif "template" in each.get("spec", {}):
            specs[name] = each["spec"]["template"]["spec"]
    return specs


def changed(values: dict, path: str, value: object) -> dict:
    """The same values with another one at a path such as `settings.broker.prefetch` or `tenants.0.domain`."""
    values = copy.deepcopy(values)
    *parents, last = path.split(".")
    place = values
    for parent in parents:
        place = place[int(parent)] if isinstance(place, list) else place.setdefault(parent, {})
    place[last] = value
    return values


def refusal(values: dict) -> str:
    """Why Helm refuses the values."""
    try:
        objects(values)
    except helm.HelmError as error:
        return str(error)
    raise AssertionError("the values were accepted")
