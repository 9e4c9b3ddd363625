"""Asks a Prometheus, and the dashboard for what to ask it."""

import json
import math
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

DASHBOARD = Path(__file__).resolve().parents[2] / "deploy" / "grafana" / "docplanner-worker.json"


class QueryError(Exception):
    """Prometheus does not take a query."""


class Prometheus:
    def __init__(self, port):
        self.base = f"http://127.0.0.1:{port}/api/v1"

    def get(self, path, **parameters):
        url = f"{self.base}/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise QueryError(json.load(error).get("error", str(error))) from None

    def instant(self, query):
        """[(labels, [(time, value)])], without what is not a number."""
        return self.series(self.get("query", query=query)["result"])

    def range(self, query, seconds, step):
        end = time.time()
        return self.series(self.get("query_range", query=query, start=end - seconds, end=end, step=step)["result"])

    def rules(self):
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"]]

    @staticmethod
    def series(result):
        found = []
        for one in result:
            samples = one.get("values") or [one["value"]]
            numbers = [(at, float(value)) for at, value in samples if not math.isnan(float(value))]
            if numbers:
                found.append((one["metric"], numbers))
        return found


def panels():
    """The dashboard's panels in their order, each with the name of its row."""
    row = ""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        if panel["type"] != "row":
            yield row, panel
            continue
        row = panel["title"]
        for inside in panel["panels"]:
            yield row, inside


def substituted(query, shown):
    """As Grafana would with every variable at "All", a scrape each second and `shown` seconds to see."""
    query = query.replace("$__rate_interval", "10s").replace("$__range", f"{shown}s")
    for variable in ("namespace", "job", "tenant", "queue"):
        query = query.replace(f'"${variable}"', '".*"')
    return query


def ask(prometheus, panel, shown, step=1):
    """What each of the panel's queries returns: [(target, series)]."""
    for target in panel["targets"]:
        query = substituted(target["expr"], shown)
        if target.get("instant"):
            yield target, prometheus.instant(query)
        else:
            yield target, prometheus.range(query, shown, step)
