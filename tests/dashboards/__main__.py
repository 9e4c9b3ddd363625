"""The dashboard and the alerts, asked of a real Prometheus that watches two workers under load.

  python3 tests/dashboards check      every query of every panel returns data, every alert can be evaluated
  python3 tests/dashboards record     the same for longer, and writes what the panels show to target/dashboards/panels.json
"""

import json
import subprocess
import sys
import time
from pathlib import Path

from check import problems
from prometheus import Prometheus, ask, panels
from world import FOLDER, Failure, World, say

HERE = Path(__file__).resolve().parent


def load(world, pause):
    """All that the panels are about, in five acts of `pause` seconds. Returns how many seconds there are to see."""
    began = time.monotonic()

    def act(what):
        say(what)
        time.sleep(pause)
        world.insist_on_processes()

    world.notify("acme", "--rate", "60/s", "--one-of-each", "--duplicates", "0.05", "--reorder", "0.05", "--malformed", "0.01")
    world.notify("south", "--rate", "15/s", "--duplicates", "0.02")
    world.notify("clinic", "--rate", "20/s", "--malformed", "0.005")
    act("three tenants, all is well but for some duplicates and bad input; the quota of one is small")
    world.fault("clinic", {"status": {"code": 503}})
    world.write_settings(0, ending="no settings")
    act("the API of clinic is down, and a worker's settings are spoiled")
    world.notify("acme", "--count", "1500", start="2026-01-12T08:00:00+01:00")
    act("the API of clinic is down, and acme tells of 1500 things at once")
    world.fault("clinic", None)
    world.write_settings(0, ending="fetch_missing_url = false")
    act("the API of clinic is back, and the settings are others")
    act("all is well")
    return int(time.monotonic() - began)


def record(prometheus, shown):
    """What the panels show, for the picture."""
    told = []
    for row, panel in panels():
        answers = [{"legend": target["legendFormat"], "series": series} for target, series in ask(prometheus, panel, shown, max(1, shown // 240))]
        told.append({"row": row, "title": panel["title"], "answers": answers})
    (FOLDER / "panels.json").write_text(json.dumps({"seconds": shown, "panels": told}))


def main(mode):
    tools = subprocess.run([HERE / "install"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    with World(Path(tools)) as world:
        prometheus = Prometheus(world.prometheus)
        shown = load(world, pause=50 if mode == "record" else 8)
        found = list(problems(prometheus, shown))
        for problem in found:
            say(problem)
        if mode == "record":
            record(prometheus, shown)
    if found:
        raise Failure(f"{len(found)} problems")
    say(f"{sum(len(panel['targets']) for _, panel in panels())} queries return data, and every rule works")


if __name__ == "__main__":
    if sys.argv[1:] not in (["check"], ["record"]):
        sys.exit(__doc__)
    try:
        main(sys.argv[1])
    except (Failure, subprocess.CalledProcessError) as failure:
        sys.exit(f"dashboards: {failure}")
