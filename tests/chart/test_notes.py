"""NOTES.txt says what to look at, and what is worth a second thought."""

from chart import CASES, changed, notes

MINIMAL = CASES["minimal"]


def test_they_name_the_commands_of_this_release():
    text = notes(MINIMAL)
    assert "kubectl -n integration rollout status deployment/docplanner-docplanner-worker" in text
    assert "helm test -n integration docplanner --logs" in text
    assert "is installed, for 1 tenant." in text
    assert "has 35 seconds: 25s to finish" in text


def test_they_tell_an_upgrade_from_an_installation():
    assert "is upgraded, for 200 tenants" in notes(CASES["many-tenants"], is_install=False, is_upgrade=True)


def test_they_warn_of_what_is_left_to_do():
    assert "One replica" in notes(changed(MINIMAL, "replicas", 1))
    assert "One replica" not in notes(MINIMAL)
    assert "Nothing scrapes the pods" in notes(MINIMAL)
    assert "Nothing scrapes the pods" not in notes(CASES["full"])
    assert "Run `docplanner-worker migrate` yourself" in notes(CASES["many-tenants"])
    assert "Set metrics.selector" in notes(CASES["existing"])
    assert "No scraper may reach the pods" in notes(changed(CASES["full"], "networkPolicy.scrapers", []))
    assert "helm test" not in notes(CASES["existing"])
