"""Draws the upper part of the dashboard from target/dashboards/panels.json, which a run against a real Prometheus has left there.

Only as much of Grafana as these panels need: places, titles, units, legends, colours and thresholds come from the dashboard itself.
"""

import json
import re
from datetime import datetime, timezone

import matplotlib

matplotlib.use("agg")
from matplotlib import dates, pyplot, ticker
from matplotlib.patches import FancyBboxPatch, Rectangle
from PIL import Image

from prometheus import DASHBOARD, panels
from world import FOLDER

ROWS = ("Overview", "Flow", "Queues", "Tenants")
PICTURE = DASHBOARD.with_name("dashboard.png")

# Pixels: the whole width, one of Grafana's units of height, and the gap between panels.
WIDTH, UNIT, GAP = 1600, 28, 8
PAGE, PANEL, BORDER, GRID, TEXT, FAINT = "#111217", "#181b1f", "#2a2d33", "#2c3037", "#d5d6dd", "#8e919c"
NAMED = {"green": "#56a64b", "orange": "#e08a2e", "red": "#d44a4a", "yellow": "#e0b400", "blue": "#5794f2", "purple": "#b877d9"}
PALETTE = ["#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#705da0", "#37872d", "#fade2a", "#447ebc", "#c15c17", "#890f02"]


class Canvas:
    """The page, in pixels from its upper left corner."""

    def __init__(self, height):
        self.height = height
        self.figure = pyplot.figure(figsize=(WIDTH / 100, height / 100), dpi=100, facecolor=PAGE)

    def box(self, x, y, w, h, color=PANEL, edge=BORDER):
        shape = FancyBboxPatch((x / WIDTH, 1 - (y + h) / self.height), w / WIDTH, h / self.height, boxstyle="square,pad=0",
                               facecolor=color, edgecolor=edge, linewidth=1, transform=self.figure.transFigure)
        self.figure.patches.append(shape)

    def text(self, x, y, words, size=9, color=TEXT, **more):
        self.figure.text(x / WIDTH, 1 - y / self.height, words, fontsize=size, color=color, **{"ha": "left", "va": "center", **more})

    def axes(self, x, y, w, h):
        axes = self.figure.add_axes((x / WIDTH, 1 - (y + h) / self.height, w / WIDTH, h / self.height), facecolor="none")
        axes.set_zorder(2)
        axes.tick_params(colors=FAINT, labelsize=7, length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        return axes


def legend_of(pattern, labels):
    """`{{tenant}} {{reason}}`, filled in."""
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: labels.get(found[1], ""), pattern).strip()


def readable(value, unit):
    """A value as Grafana would write it, nearly."""
    if unit == "s":
        for size, name in ((3600, "h"), (60, "min"), (1, "s")):
            if abs(value) >= size:
                return f"{value / size:.3g} {name}"
        return f"{value * 1000:.3g} ms" if value else "0 s"
    suffix = unit.removeprefix("suffix:") if unit.startswith("suffix:") else ""
    if abs(value) >= 1000:
        return f"{value / 1000:.3g}k{suffix}"
    return f"{value:.3g}{suffix}"


def colour_by_threshold(defaults, value):
    reached = [step["color"] for step in defaults["thresholds"]["steps"] if step["value"] is None or value >= step["value"]]
    return NAMED[reached[-1]]


def named_states(defaults):
    """{value: (text, colour)}"""
    return {float(value): (it["text"], NAMED[it["color"]]) for mapping in defaults["mappings"] for value, it in mapping["options"].items()}


def draw_stat(canvas, panel, answers, x, y, w, h):
    defaults = panel["fieldConfig"]["defaults"]
    values = [(answer["legend"], series[1][-1][1]) for answer in answers for series in answer["series"]]
    states = named_states(defaults)
    first = values[0][1] if values else 0
    canvas.box(x, y, w, h, states[first][1] if states else colour_by_threshold(defaults, first), edge=PAGE)
    canvas.text(x + 10, y + 14, panel["title"], weight="bold", color="white")
    for place, (name, value) in enumerate(values):
        centre = x + w * (place + 0.5) / len(values)
        words = states[value][0] if states else readable(value, defaults["unit"])
        canvas.text(centre, y + h / 2 + 8, words, size=20 if len(words) < 9 else 16, color="white", ha="center", weight="bold")
        canvas.text(centre, y + h - 14, name, color="white", ha="center", size=8)


def draw_heading(canvas, panel, x, y, w, h):
    canvas.box(x, y, w, h)
    canvas.text(x + 10, y + 15, panel["title"], weight="bold")


def lines_of(answers):
    """[(legend, times, values)] of all queries, the largest first as in a tooltip."""
    lines = []
    for answer in answers:
        for labels, samples in answer["series"]:
            times = [datetime.fromtimestamp(at, timezone.utc) for at, _ in samples]
            lines.append((legend_of(answer["legend"], labels), times, [value for _, value in samples]))
    return sorted(lines, key=lambda line: line[0])


def stacked(lines):
    """The lines at common times; what is not there is nothing."""
    times = sorted({at for _, line_times, _ in lines for at in line_times})
    heights = []
    for _, line_times, values in lines:
        at = dict(zip(line_times, values))
        heights.append([at.get(time, 0) for time in times])
    return times, heights


def colours_of(panel, lines):
    """Those that the dashboard gives to names, else one after another."""
    given = {}
    for override in panel["fieldConfig"]["overrides"]:
        color = override["properties"][0]["value"]["fixedColor"]
        given[override["matcher"]["options"]] = NAMED.get(color, color)
    return [given.get(name, PALETTE[place % len(PALETTE)]) for place, (name, _, _) in enumerate(lines)]


def draw_legend(canvas, lines, colours, x, y, w):
    """One or two lines of names, as far as there is room."""
    left, top = x, y
    for (name, _, _), colour in zip(lines, colours):
        needed = 18 + 5.4 * len(name) + 14
        if left + needed > x + w:
            left, top = x, top + 13
            if top > y + 13:
                return
        canvas.box(left, top - 2, 10, 3, colour, edge=colour)
        canvas.text(left + 15, top, name, size=7, color=FAINT)
        left += needed


def draw_timeseries(canvas, panel, answers, x, y, w, h):
    draw_heading(canvas, panel, x, y, w, h)
    defaults = panel["fieldConfig"]["defaults"]
    axes = canvas.axes(x + 52, y + 34, w - 66, h - 92)
    lines = lines_of(answers)
    colours = colours_of(panel, lines)
    if defaults["custom"]["stacking"]["mode"] == "normal" and lines:
        times, heights = stacked(lines)
        for layer, colour in zip(axes.stackplot(times, heights, colors=colours, alpha=0.35), colours):
            layer.set_edgecolor(colour)
            layer.set_linewidth(0.8)
    else:
        for (_, times, values), colour in zip(lines, colours):
            axes.plot(times, values, color=colour, linewidth=1.1)
            axes.fill_between(times, values, color=colour, alpha=0.06, linewidth=0)
    low, high = axes.get_ylim()
    axes.set_ylim(min(0, low) if low < -0.5 else 0, max(high, 1e-9) if high > 0.06 or defaults["unit"] == "s" else 1)
    axes.grid(color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.yaxis.set_major_locator(ticker.MaxNLocator(5))
    axes.yaxis.set_major_formatter(lambda value, _: readable(value, defaults["unit"]))
    clock(axes)
    draw_legend(canvas, lines, colours, x + 12, y + h - 30, w - 20)


def clock(axes):
    axes.xaxis.set_major_locator(dates.AutoDateLocator(minticks=3, maxticks=7))
    axes.xaxis.set_major_formatter(dates.DateFormatter("%H:%M:%S"))
    axes.margins(x=0)


def draw_state_timeline(canvas, panel, answers, x, y, w, h):
    draw_heading(canvas, panel, x, y, w, h)
    states = named_states(panel["fieldConfig"]["defaults"])
    lines = lines_of(answers)
    axes = canvas.axes(x + 62, y + 40, w - 76, h - 98)
    for place, (_, times, values) in enumerate(lines):
        for begin, end, value in zip(times, times[1:], values):
            axes.add_patch(Rectangle((dates.date2num(begin), -place - 0.38), dates.date2num(end) - dates.date2num(begin), 0.76,
                                     color=states[value][1], linewidth=0))
    if lines:
        axes.set_xlim(min(times[0] for _, times, _ in lines), max(times[-1] for _, times, _ in lines))
    axes.set_ylim(-len(lines) + 0.4, 0.6)
    axes.set_yticks([-place for place in range(len(lines))], [name for name, _, _ in lines])
    clock(axes)
    draw_legend(canvas, [(text, [], []) for text, _ in states.values()], [colour for _, colour in states.values()], x + 12, y + h - 26, w - 20)


def draw_table(canvas, panel, answers, x, y, w, h):
    draw_heading(canvas, panel, x, y, w, h)
    columns = [answer["legend"] for answer in answers]
    cells = {}
    for column, answer in enumerate(answers):
        for labels, samples in answer["series"]:
            cells.setdefault(labels.get("tenant", ""), {})[column] = samples[-1][1]
    place = lambda column: x + 16 + (column + 1) * (w - 30) / (len(columns) + 1)
    for column, name in enumerate(["Tenant", *columns]):
        canvas.text(place(column - 1), y + 44, name, size=8, color="#6e9fff", weight="bold")
    # As the dashboard sorts: whoever has most dead letters stands first.
    worst = columns.index("Dead letters")
    for line, tenant in enumerate(sorted(cells, key=lambda it: -cells[it].get(worst, 0))):
        top = y + 70 + line * 26
        canvas.box(x + 10, top - 13, w - 20, 0.5, GRID, edge=GRID)
        canvas.text(place(-1), top, tenant, size=9)
        for column, value in cells[tenant].items():
            canvas.text(place(column), top, f"{value:.3g}" if value % 1 else f"{value:.0f}", size=9)


DRAW = {"stat": draw_stat, "timeseries": draw_timeseries, "state-timeline": draw_state_timeline, "table": draw_table}


def main():
    told = json.loads((FOLDER / "panels.json").read_text())
    answers = {(panel["row"], panel["title"]): panel["answers"] for panel in told["panels"]}
    chosen = [(row, panel) for row, panel in panels() if row in ROWS]
    bottom = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for _, panel in chosen)
    canvas = Canvas(bottom * UNIT + GAP)
    headed = set()
    for row, panel in chosen:
        place = panel["gridPos"]
        x, y = GAP / 2 + place["x"] * (WIDTH - GAP) / 24, GAP / 2 + place["y"] * UNIT
        if row not in headed:
            headed.add(row)
            canvas.text(GAP, y - UNIT / 2, row, size=11, weight="bold")
        DRAW[panel["type"]](canvas, panel, answers[row, panel["title"]], x + GAP / 2, y, place["w"] * (WIDTH - GAP) / 24 - GAP, place["h"] * UNIT - GAP)
    canvas.figure.savefig(PICTURE, facecolor=PAGE)
    # A third of the size, and nothing to see of it.
    with Image.open(PICTURE) as picture:
        small = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small.save(PICTURE, optimize=True)
    print(f"drawn: {PICTURE}")


main()
