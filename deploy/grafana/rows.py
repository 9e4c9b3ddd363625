"""What the dashboard shows: rows of panels, each with the question it answers. `generate` turns this into JSON.

In queries, [W] selects the workers of the chosen installations, [T] also the chosen tenants, [Q] the chosen queues, and [rate]
is the window that suits the resolution. What every pod tells alike (queues, payments, quotas) is a maximum, never a sum.
"""

PER_SECOND = "suffix:/s"

# Only the incoming queue and the one of dead letters have an age: that is how they are told from those of partners, whatever their names.
AGED = "docplanner_worker_queue_oldest_seconds"
RETRY = r'queue=~".+\\.retry\\..+"'
NO_RETRY = r'queue!~".+\\.retry\\..+"'
DEAD = r'queue=~".+\\.dead"'
NO_DEAD = r'queue!~".+\\.dead"'

# Good, harmless, to watch, bad.
DISPOSITIONS = {"published": "green", "duplicate": "blue", "ignored": "#8e919c", "dropped": "#5f626b", "retry": "orange", "dead_letter": "red"}
STATUSES = {"ok": "green", "unknown": "blue", "unreachable": "red", "server_error": "red", "rate_limited": "orange", "firewall": "orange"}
FLAGS = {"hit": "green", "database": "blue", "miss": "yellow", "stale": "orange", "crowded": "purple", "none": "red"}

READY = (
    "docplanner_worker_broker_connected{[W]} * docplanner_worker_broker_publishing{[W]}"
    " * (1 - docplanner_worker_broker_blocked{[W]}) * docplanner_worker_database_connected{[W]}"
)

BACKLOG = (
    f"sum(max by (namespace, job, queue) (docplanner_worker_queue_messages{{[W]}})"
    f" and on (namespace, job, queue) {AGED}{{[W], {NO_DEAD}}})"
    " + sum(docplanner_worker_deliveries_in_flight{[W]})"
)


def total(metric, by, selector="[T]"):
    """How much of a counter a second, by label."""
    return f"sum by ({by}) (rate(docplanner_worker_{metric}{{{selector}}}[[rate]]))"


def counted(metric, by, selector="[T]"):
    """How much of a counter in the range that is shown, in whole numbers."""
    return f"round(sum by ({by}) (increase(docplanner_worker_{metric}{{{selector}}}[$__range])))"


def highest(metric, by, selector="[W]"):
    """A gauge that every pod tells alike."""
    return f"max by ({by}) (docplanner_worker_{metric}{{{selector}}})"


def quota(by):
    """The least that any pod was told is left; -1 if none was told anything."""
    left = "docplanner_worker_api_quota_remaining{[T]}"
    return f"min by ({by}) ({left} >= 0) or max by ({by}) ({left})"


def quantile(q, metric, selector, by=""):
    """A percentile of a histogram, by label."""
    by = ", ".join(filter(None, ["le", by]))
    return f"histogram_quantile({q}, sum by ({by}) (rate(docplanner_worker_{metric}_bucket{{{selector}}}[[rate]])))"


def stat(title, question, *queries, **more):
    """A number, or a few."""
    return {"type": "stat", "title": title, "description": question, "queries": queries, "width": 3, "height": 4, **more}


def graph(title, question, *queries, **more):
    """Lines over time; `stack` piles them up, `colors` gives the names theirs."""
    return {"type": "timeseries", "title": title, "description": question, "queries": queries, "width": 8, "height": 8, **more}


def states(title, question, *queries, **more):
    """Bars that change their colour; `states` names the values."""
    return {"type": "state-timeline", "title": title, "description": question, "queries": queries, "width": 8, "height": 8, **more}


def table(title, question, *queries, **more):
    """A line per label value; each query is a column."""
    return {"type": "table", "title": title, "description": question, "queries": queries, "width": 24, "height": 8, **more}


# (name, whether it is open at first, panels). A query is (legend, PromQL); in a table the legend is the column's heading.
ROWS = [
    ("Overview", True, [
        stat("Ready", "Do the pods consume? A pod is ready while it has its broker and its database.",
             ("ready", f"sum({READY})"), ("pods", "count(docplanner_worker_build_info{[W]})"), warn_below=1),
        stat("Backlog", "How many notifications wait or are being worked on?", ("", BACKLOG)),
        stat("Oldest", "How late do partners hear of what happened? The age of the oldest notification that waits.",
             ("", f"max({AGED}{{[W], {NO_DEAD}}})"), unit="s", warn=300, alarm=1800),
        stat("Published", "How many notifications become events?",
             ("", 'sum(rate(docplanner_worker_deliveries_total{[T], disposition="published"}[[rate]]))'), unit=PER_SECOND),
        stat("Dead letters", "How many notifications wait for a person?",
             ("", f"sum({highest('queue_messages', 'namespace, job, queue', '[W], ' + DEAD)})"), warn=1),
        stat("Payments overdue", "For how many visits should it have been decided whether they are paid?",
             ("", f"sum({highest('payments_overdue', 'namespace, job, tenant', '[T]')})"), warn=1),
        stat("APIs failing", "For how many tenants is Docplanner's API left alone, because it does not answer?",
             ("", f"sum({highest('api_breaker_state', 'namespace, job, tenant', '[T]')} > bool 0)"), warn=1),
        stat("Settings", "Is the settings file in force in every pod?",
             ("", "min(docplanner_worker_config_last_reload_successful{[W]})"),
             states={0: ("refused", "red"), 1: ("in force", "green")}),
    ]),
    ("Flow", True, [
        graph("Deliveries", "What becomes of notifications?",
              ("{{disposition}}", total("deliveries_total", "disposition")), unit=PER_SECOND, stack=True, colors=DISPOSITIONS),
        graph("From delivery to settlement", "How long does the worker take for what it publishes?",
              *((f"p{p}", quantile(p / 100, "delivery_duration_seconds", '[W], disposition="published"')) for p in (50, 95, 99)),
              unit="s"),
        graph("In flight", "How much does each pod work on? Up to its prefetch: then it takes no more.",
              ("{{pod}} {{instance}}", "docplanner_worker_deliveries_in_flight{[W]}")),
        graph("Events", "What are partners told?",
              ("{{type}}", total("events_published_total", "type", '[T], result="confirmed"') + " > 0"), unit=PER_SECOND, stack=True),
        graph("Events that were not confirmed", "Does the broker take the events?",
              ("{{result}}", total("events_published_total", "result", '[T], result!~"confirmed|dropped"')), unit=PER_SECOND),
        graph("Retries", "Whose notifications are tried again?",
              ("{{tenant}}", total("deliveries_total", "tenant", '[T], disposition="retry"')), unit=PER_SECOND),
    ]),
    ("Queues", True, [
        graph("Waiting for the worker, and dead letters", "Does the worker keep up?",
              ("{{queue}}", f"{highest('queue_messages', 'queue', '[Q]')} and on (queue) {AGED}{{[Q]}}")),
        graph("Oldest message", "How long has the oldest notification waited, and the oldest dead letter?",
              ("{{queue}}", f"max by (queue) ({AGED}{{[Q]}})"), unit="s"),
        graph("Waiting for a retry", "How much will come back, and when?",
              ("{{queue}}", highest("queue_messages", "queue", f"[Q], {RETRY}")), stack=True),
        graph("Partners' queues", "Do partners keep up with their events? Nobody should find anything in partner.unrouted.",
              ("{{queue}}", f"{highest('queue_messages', 'queue', f'[Q], {NO_RETRY}')} unless on (queue) {AGED}{{[Q]}}"), width=12),
        graph("Consumers", "Who listens to which queue?",
              ("{{queue}}", highest("queue_consumers", "queue", f"[Q], {NO_RETRY}")), width=12),
    ]),
    ("Tenants", True, [
        table("Who is failing", "Which tenant needs help, and with what?",
              ("Published /s", total("deliveries_total", "tenant", '[T], disposition="published"')),
              ("Retries /s", total("deliveries_total", "tenant", '[T], disposition="retry"')),
              ("Dead letters", counted("dead_letters_total", "tenant")),
              ("API failures /s", total("api_requests_total", "tenant", '[T], status!~"ok|unknown"')),
              ("Breaker", highest("api_breaker_state", "tenant", "[T]")),
              ("Quota left", quota("tenant")),
              ("Payments overdue", highest("payments_overdue", "tenant", "[T]"))),
        graph("Dead letters", "Whose notifications are set aside, and why?",
              ("{{tenant}} {{reason}}", total("dead_letters_total", "tenant, reason") + " > 0"), unit=PER_SECOND, stack=True),
        graph("Requests to Docplanner's API", "What does the API answer?",
              ("{{status}}", total("api_requests_total", "status") + " > 0"), unit=PER_SECOND, stack=True, colors=STATUSES),
        states("Breakers", "Whose API is left alone?",
               ("{{tenant}}", highest("api_breaker_state", "tenant", "[T]")),
               states={0: ("closed", "green"), 1: ("probing", "yellow"), 2: ("open", "red")}),
        graph("Quota left", "How many requests may each tenant still send within its window? -1: the API has told of no limit.",
              ("{{tenant}}", quota("tenant"))),
        graph("Waits for the quota", "Whose requests wait because the quota is being spent evenly, or is used up?",
              ("{{tenant}}", total("quota_waits_total", "tenant")), unit=PER_SECOND),
        graph("Where flags come from", "Do the caches spare the API? stale and none: it did not answer.",
              ("{{result}}", total("flags_cache_requests_total", "result")), unit=PER_SECOND, stack=True, colors=FLAGS),
    ]),
    ("Order and duplicates", False, [
        graph("Duplicates", "How much does the relay tell again?",
              ("{{tenant}}", total("duplicates_total", "tenant")), unit=PER_SECOND, width=6),
        graph("Waiting its turn", "How often does a notification wait for an earlier one of the same booking?",
              ("{{tenant}}", total("order_waits_total", "tenant")), unit=PER_SECOND, width=6),
        graph("Delivered out of order", "Does the relay keep the order?",
              ("{{tenant}}", total("out_of_order_total", "tenant")), unit=PER_SECOND, width=6),
        graph("Gaps in sequences", "Which partners miss a number?",
              ("{{tenant}}", total("sequence_gaps_total", "tenant")), unit=PER_SECOND, width=6),
    ]),
    ("Payments and video calls", False, [
        graph("Pending", "How many visits are to be paid?",
              ("{{tenant}}", highest("payments_pending", "tenant", "[T]"))),
        graph("Overdue", "How many should have been decided a minute ago?",
              ("{{tenant}}", highest("payments_overdue", "tenant", "[T]"))),
        graph("Timers", "What becomes of the looks at payments and of reminders?",
              ("{{kind}} {{result}}", total("timers_fired_total", "kind, result", "[W]")), unit=PER_SECOND),
    ]),
    ("Stages and servers", False, [
        graph("Stages, p95", "Which stage is slow? claim and close are the database, lookup the API, publish the broker.",
              ("{{stage}}", quantile(0.95, "stage_duration_seconds", "[W]", "stage")), unit="s"),
        graph("Deliveries in each stage", "Where does the time go? On average so many are in a stage at once.",
              ("{{stage}}", total("stage_duration_seconds_sum", "stage", "[W]")), stack=True),
        states("Broker and database", "Which pod lacks which server?",
               ("{{pod}} {{instance}}", READY),
               states={0: ("not ready", "red"), 1: ("ready", "green")}),
        graph("Lost acknowledgements", "Does the channel to the broker break? The broker delivers those again.",
              ("{{pod}} {{instance}}", "rate(docplanner_worker_acks_lost_total{[W]}[[rate]])"), unit=PER_SECOND),
        graph("Reloads of tenants", "When were settings read anew, and with what result?",
              ("{{result}}", total("config_reloads_total", "result", "[W]") + " * 60"), unit="suffix:/min"),
        graph("Settings in force", "Do all pods have the same tenants? One number while they do.",
              ("{{hash}}", 'count_values by (job) ("hash", docplanner_worker_config_hash{[W]})')),
        graph("Versions", "Which versions run? Two during a rollout.",
              ("{{version}}", "count by (version) (docplanner_worker_build_info{[W]})")),
        graph("Last look at the queues", "Is what the panels tell of queues fresh? Every pod looks every five seconds.",
              ("{{queue}}", "time() - max by (queue) (docplanner_worker_queue_observed_timestamp_seconds{[Q]} > 0)"), unit="s"),
        graph("Spans", "Does the collector take the traces? None while they are off.",
              ("{{result}}", total("spans_total", "result", "[W]")), unit=PER_SECOND),
    ]),
]
