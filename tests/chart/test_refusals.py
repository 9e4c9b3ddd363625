"""Wrong values are refused, with a message that says which and why."""

import pytest
from chart import CASES, changed, objects, refusal

MINIMAL = CASES["minimal"]
EXTERNAL = CASES["external-secrets"]

TENANT = {"id": "acme", "domain": "znanylekarz.pl", "client_id": "1"}


@pytest.mark.parametrize(
    "path, value, message",
    [
        ("replica", 3, "additional properties 'replica' not allowed"),
        ("image.tags", "1", "at '/image': additional properties 'tags' not allowed"),
        ("settings.brokr", {}, "at '/settings': additional properties 'brokr' not allowed"),
        ("settings.broker.prefech", 1, "at '/settings/broker': additional properties 'prefech' not allowed"),
        ("settings.broker.prefetch", "many", "at '/settings/broker/prefetch': got string, want integer"),
        ("settings.broker.prefetch", 70000, "at '/settings/broker/prefetch': maximum: got 70,000, want 65,535"),
        ("settings.database.pool", 1, "at '/settings/database': additional properties 'pool' not allowed"),
        ("settings.log.format", "xml", "at '/settings/log/format': value must be one of 'json', 'text'"),
        ("settings.http.listen", "9464", "at '/settings/http/listen': '9464' does not match pattern"),
        ("tenants", [{**TENANT, "id": "Acme"}], "at '/tenants/0/id': 'Acme' does not match pattern"),
        ("tenants", [{**TENANT, "facilities": [226402]}], "at '/tenants/0/facilities/0': got number, want string"),
        ("tenants", [{**TENANT, "client_secret": "s"}], "at '/tenants/0': additional properties 'client_secret' not allowed"),
        ("tenants", [{**TENANT, "payments": {"windw": "1m"}}], "at '/tenants/0/payments': additional properties 'windw' not allowed"),
        ("tenants", [{**TENANT, "routes": [{"mach": {}}]}], "at '/tenants/0/routes/0': additional properties 'mach' not allowed"),
        ("tenants", [{"id": "acme"}], "at '/tenants/0': missing properties 'domain', 'client_id'"),
        ("autoscaling.kind", "vpa", "at '/autoscaling/kind': value must be one of 'keda', 'hpa'"),
        ("autoscaling.minReplicas", 0, "at '/autoscaling/minReplicas': minimum: got 0, want 1"),
        ("networkPolicy.broker.port", 1, "at '/networkPolicy/broker': additional properties 'port' not allowed"),
        ("networkPolicy.broker.to", [{"ipblock": {}}], "additional properties 'ipblock' not allowed"),
        ("probes.liveness.path", "/", "at '/probes/liveness': additional properties 'path' not allowed"),
        ("termination.marginSeconds", 0, "at '/termination/marginSeconds': minimum: got 0, want 5"),
        ("metrics.podMonitor.interval", 15, "at '/metrics/podMonitor/interval': got number, want string"),
        ("image.digest", "latest", "at '/image/digest': 'latest' does not match pattern"),
    ],
)
def test_the_schema_names_what_is_wrong(path, value, message):
    assert message in refusal(changed(MINIMAL, path, value))


@pytest.mark.parametrize(
    "path, value, message",
    [
        ("tenants", [], "tenants: name at least one, or an existingConfigMap"),
        ("existingConfigMap.name", "mine", "tenants: has to be empty with an existingConfigMap"),
        ("secrets.broker.url.secret", "", "secrets.broker.url.secret: name the Secret that holds the URL of the broker"),
        ("secrets.database.url.secret", "", "secrets.database.url.secret: name the Secret that holds the URL of the database"),
        ("secrets.tenants", [], 'secrets.tenants: name the Secret whose key "acme" is the tenant\'s client secret'),
        ("settings.broker.url", "amqp://rabbitmq:5672/%2f", "settings.broker: has a `url` or `url_file`, and a Secret holds the URL too"),
        ("settings.http.listen", "127.0.0.1:9464", "settings.http.listen: the kubelet does not reach a loopback address"),
        ("autoscaling.enabled", True, "autoscaling.keda.serverAddress: give the URL of Prometheus"),
        ("externalSecrets.enabled", True, "migrations.mode: set it to initContainer"),
    ],
)
def test_what_does_not_fit_together_is_told_with_the_remedy(path, value, message):
    assert message in refusal(changed(MINIMAL, path, value))


def test_a_store_has_to_be_named():
    assert "externalSecrets.store.name: name the store" in refusal(changed(EXTERNAL, "externalSecrets.store.name", ""))


def test_a_password_never_gets_into_the_config_map():
    with_url = changed(changed(MINIMAL, "secrets.broker.url.secret", ""), "settings.broker.url", "amqp://worker:hunter2@rabbitmq/%2f")
    message = refusal(with_url)
    assert "settings.broker.url: holds a password" in message and "secrets.broker.url.secret" in message
    assert "hunter2" not in message
    assert objects(changed(with_url, "settings.broker.url", "amqp://rabbitmq:5672/%2f"))


def test_helms_own_global_values_are_no_unknown_key():
    assert objects({**MINIMAL, "global": {"region": "eu"}})
