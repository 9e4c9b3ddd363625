"""Whether the dashboard and the alerts say something, as far as a running Prometheus can tell."""

from prometheus import QueryError, ask, panels

# Panels that show zeros while all is well, as it is here.
CALM = {"Oldest", "APIs failing", "Payments overdue", "Events that were not confirmed", "Gaps in sequences", "Overdue", "Lost acknowledgements", "Spans"}

# What the load is made to cause, and what must not come of it.
EXPECTED_ALERTS = {"DocplannerWorkerDeadLetters"}
FORBIDDEN_ALERTS = {"DocplannerWorkerAbsent", "DocplannerWorkerNoneReady", "DocplannerWorkerNotReady", "DocplannerWorkerDown",
                    "DocplannerWorkerPoison", "DocplannerWorkerStalled", "DocplannerWorkerDatabaseAway", "DocplannerWorkerBrokerAway"}


def problems_of_panels(prometheus, shown):
    for row, panel in panels():
        name = f"{row} / {panel['title']}"
        moved = False
        try:
            for target, series in ask(prometheus, panel, shown):
                if not series:
                    yield f"{name}: no data for {target['expr']}"
                moved |= any(value for _, samples in series for _, value in samples)
        except QueryError as error:
            yield f"{name}: {error}"
            continue
        if not moved and panel["title"] not in CALM:
            yield f"{name}: nothing but zeros"


def problems_of_rules(prometheus):
    firing = set()
    for rule in prometheus.rules():
        if rule["health"] != "ok":
            yield f"{rule['name']}: {rule.get('lastError') or 'was not evaluated'}"
        if rule["type"] == "recording" and not prometheus.instant(rule["name"]):
            yield f"{rule['name']}: no data"
        for alert in rule.get("alerts", []):
            if alert["state"] == "firing":
                firing.add(rule["name"])
            for name, text in alert["annotations"].items():
                if "<error" in text or "<no value>" in text:
                    yield f"{rule['name']}: {name} reads {text!r}"
    for name in sorted(EXPECTED_ALERTS - firing):
        yield f"{name} does not fire"
    for name in sorted(FORBIDDEN_ALERTS & firing):
        yield f"{name} fires"


def problems(prometheus, shown):
    yield from problems_of_panels(prometheus, shown)
    yield from problems_of_rules(prometheus)
