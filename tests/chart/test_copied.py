"""A chart can read its own files only: dashboard and alerts are copies of those in deploy/."""

import pytest
from chart import CHART, CHECKOUT
from golden import compare

COPIES = {"alerts.yaml": "prometheus/alerts.yaml", "dashboard.json": "grafana/docplanner-worker.json"}


@pytest.mark.parametrize("copy, original", COPIES.items())
def test_the_chart_ships_what_deploy_has(copy, original):
    compare(CHART / "files" / copy, (CHECKOUT / "deploy" / original).read_text())


def test_nothing_else_is_in_the_charts_files():
    assert {path.name for path in (CHART / "files").iterdir()} == set(COPIES)
