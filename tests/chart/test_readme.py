"""The chart's README: its table is made from the comments of values.yaml."""

import json
import re

from chart import CHART, read_yaml
from golden import compare

README = CHART / "README.md"
BEGIN, END = "<!-- values: made from values.yaml -->\n", "<!-- end of values -->"


def documented() -> list[tuple[str, str]]:
    """Every key with a comment `# --` above it, as its path, with the text."""
    found, comment, parents = [], [], []
    for line in (CHART / "values.yaml").read_text().splitlines():
        text = line.strip()
        if text.startswith("# -- "):
            comment = [text[5:]]
        elif text.startswith("#"):
            comment = comment and comment + [text[2:]]
        elif key := re.match(r"( *)([A-Za-z_./]+):", line):
            depth = len(key[1]) // 2
            parents = parents[:depth] + [key[2]]
            if comment:
                found.append((".".join(parents), " ".join(comment)))
            comment = []
        else:
            comment = []
    return found


def default(path: str) -> object:
    place = read_yaml(CHART / "values.yaml")
    for part in path.split("."):
        place = place[part]
    return place


def table() -> str:
    rows = [f"| `{path}` | `{json.dumps(default(path))}` | {text} |".replace("`\"\"`", "") for path, text in documented()]
    return "\n".join(["| Value | Default | Meaning |", "|---|---|---|", *rows]) + "\n"


def test_the_table_is_that_of_the_values():
    text = README.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    compare(README, f"{before}{BEGIN}{table()}{END}{after}")


def leaves(values: dict, path: str = "") -> set[str]:
    found = set()
    for name, value in values.items():
        nested = isinstance(value, dict) and value
        found |= leaves(value, f"{path}{name}.") if nested else {f"{path}{name}"}
    return found


def test_every_value_is_documented():
    paths = [path for path, _ in documented()]
    for leaf in leaves(read_yaml(CHART / "values.yaml")):
        # By itself, or with the section that it belongs to.
        assert any(leaf == path or leaf.startswith(f"{path}.") for path in paths), leaf


# Kubernetes and the worker say what else may be in these.
PASSED_ON = ("settings", "resources", "strategy", "probes")


def test_every_value_that_the_schema_knows_has_a_default():
    schema = json.loads((CHART / "values.schema.json").read_text())

    def compare_keys(place: dict, values: dict, path: str) -> None:
        if "$ref" in place:
            place = schema["definitions"][place["$ref"].rsplit("/", 1)[1]]
        if not values or "properties" not in place or path.startswith(PASSED_ON):
            return
        assert set(place["properties"]) - {"global"} == set(values), path
        for name, value in values.items():
            if isinstance(value, dict):
                compare_keys(place["properties"][name], value, f"{path}.{name}".lstrip("."))

    compare_keys(schema, read_yaml(CHART / "values.yaml"), "")
