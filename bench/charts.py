"""Pictures of what the bench found, bench/out/*.json: writes bench/out/*.svg, and with --readme the one in docs.

The same figures always make the same bytes: no date, no random ids.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from race import FLOOR, Case
from results import OUT, median, read

PICTURE = OUT.parent.parent / "docs" / "pictures" / "bench.svg"

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "reactor",
    "svg.fonttype": "path",
    "figure.facecolor": "white",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.bottom": False,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
}

LABELS = {
    FLOOR: "C floor",
    "compiled:reactor_messages": "reactor (message)",
    "compiled:reactor_reads": "reactor (read)",
    "pure:reactor_messages": "reactor pure (message)",
    "pure:reactor_reads": "reactor pure (read)",
    "reactor": "reactor",
    "uvloop_tuned": "uvloop tuned",
    "asyncio_tuned": "asyncio tuned",
    "twisted_tuned": "Twisted tuned",
    "aiofastnet_tuned": "aiofastnet tuned",
    "aiofastuv_tuned": "aiofastnet, uvloop",
    "uvloop_plain": "uvloop plain",
    "asyncio_plain": "asyncio plain",
    "twisted_plain": "Twisted plain",
    "uvloop": "uvloop",
    "asyncio": "asyncio",
    **{
        f"{library}_{protocol}": label
        for protocol in ("raw", "broadcast")
        for library, label in (
            ("compiled:reactor", "reactor"),
            ("pure:reactor", "reactor pure"),
            ("uvloop", "uvloop"),
            ("asyncio", "asyncio"),
            ("aiofastnet", "aiofastnet"),
            ("aiofastuv", "aiofastnet, uvloop"),
        )
    },
}
DARK = 12  # times the floor: the field needs white figures
LEFT_OUT = ("_plain", "pure:reactor_reads")  # of the picture in the README

Rows = Mapping[str, float]
Text = Callable[[str, str], str]  # of a panel's title and a row's name


def color_of(name: str) -> str:
    """Return blue for ours, grey for the floor, sand for the peers."""
    if name == FLOOR:
        return "#8c8c8c"
    if "reactor" in name:
        return "#9dbce8" if name.startswith("pure:") else "#1f5fbf"
    return "#d9a860"


def rows_of(servers: Mapping[str, Any], wanted: Callable[[str], bool] = lambda name: True) -> dict[str, float]:
    """Return the least of each server, in the order of LABELS."""
    return {name: servers[name]["least"] for name in LABELS if name in servers and wanted(name)}


def bars(axes: Axes, title: str, rows: Rows, text: Text) -> None:
    """Draw one panel: a bar for each row, its figure behind it."""
    names = list(rows)
    axes.barh(range(len(names)), list(rows.values()), color=[color_of(name) for name in names], height=0.72)
    for place, name in enumerate(names):
        words = text(title, name)
        axes.annotate(words, (rows[name], place), (3, 0), textcoords="offset points", va="center", fontsize=8.5)
    axes.set_title(title)
    axes.set_yticks(range(len(names)), [LABELS[name] for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(left=False, bottom=False, labelbottom=False)


def panels(heading: str, rows: Mapping[str, Rows], text: Text, note: str, columns: int = 1) -> Figure:
    """Draw panels with the servers as common rows, all on one scale. Raises LookupError where nothing is to draw."""
    if not rows:
        raise LookupError
    lines = -(-len(rows) // columns)
    longest = max(len(each) for each in rows.values())
    size = (max(6.2, 1.6 + 3.2 * columns), 0.7 + lines * (0.35 + 0.23 * longest))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(lines, columns, sharey=True, sharex=True, squeeze=False).flat
    for axes, (title, each) in zip(grid, rows.items(), strict=False):
        bars(axes, title, each, text)
    for axes in grid[len(rows) :]:
        axes.set_visible(False)
    grid[0].set_xlim(0, 1.35 * max(max(each.values()) for each in rows.values()))
    words(figure, heading, note)
    return figure


def words(figure: Figure, heading: str, note: str) -> None:
    figure.suptitle(heading, x=0.01, ha="left", fontsize=11, weight="bold")
    figure.supxlabel(note, x=0.01, ha="left", fontsize=7, color="#555555")


def note_of(found: Mapping[str, Any]) -> str:
    """Say which machine and what it ran."""
    facts = found["machine"]
    parts = [
        facts["cpu"],
        facts["kernel"],
        facts["python"],
        *(f"{name} {facts[name]}" for name in ("uvloop", "aiofastnet", "twisted")),
    ]
    return " · ".join([*parts, f"least of {found['rounds']}", facts["date"]])


def case_of(found: Mapping[str, Any]) -> Case:
    return Case(found["connections"], found["in_flight"], found["size"], found["kind"])


def cases_of(found: Mapping[str, Any], name: str) -> list[Any]:
    """Return the cases of a set."""
    return [each for each in found["cases"] if name in each["sets"]]


def echo(found: Mapping[str, Any]) -> Figure:
    """Draw the promised cases, relative to the floor."""
    rows, costs = {}, {}
    for each in cases_of(found, "promised"):
        title = str(case_of(each))
        costs[title] = rows_of(each["servers"], lambda name: not any(part in name for part in LEFT_OUT))
        rows[title] = {name: cost / costs[title][FLOOR] for name, cost in costs[title].items()}
    heading = "Server CPU per message, in times of a C loop (connections x in flight x size)"
    return panels(
        heading, rows, lambda title, name: f"{rows[title][name]:.2f}x  {costs[title][name]:.3g} µs", note_of(found), 2
    )


def matrix(found: Mapping[str, Any]) -> Figure:
    """Draw every case and server as a field of its ratio to the floor."""
    cases = {case_of(each): rows_of(each["servers"]) for each in cases_of(found, "matrix")}
    order = sorted(cases, key=lambda case: (case.size, case.in_flight, case.connections))
    names = list(cases[order[0]])
    figure = Figure(figsize=(2.6 + 0.55 * len(cases), 2.0 + 0.28 * len(names)), layout="constrained")
    axes = figure.subplots()
    fields(axes, [[cases[case][name] / cases[case][FLOOR] for case in order] for name in names])
    axes.set_xticks(range(len(order)), [str(case) for case in order], rotation=45, ha="right")
    axes.set_yticks(range(len(names)), [LABELS[name] for name in names])
    axes.tick_params(left=False, bottom=False)
    words(figure, "Server CPU per message, in times of the C floor", note_of(found))
    return figure


def fields(axes: Axes, ratios: list[list[float]]) -> None:
    """Draw ratios as colours and figures."""
    axes.imshow(ratios, cmap="YlOrBr", norm=LogNorm(1, 60), aspect="auto")
    axes.spines[:].set_visible(False)
    for row, line in enumerate(ratios):
        for column, ratio in enumerate(line):
            color = "white" if ratio > DARK else "black"
            axes.text(column, row, f"{ratio:.{2 if ratio < 10 else 0}f}", ha="center", va="center", color=color)


def road(name: str, found: Mapping[str, Any]) -> Figure:
    """Draw the cases of one kind, relative to the best of the peers."""
    costs = {str(case_of(each)): rows_of(each["servers"]) for each in cases_of(found, name)}
    rows = {title: {name: cost / least_peer(row) for name, cost in row.items()} for title, row in costs.items()}
    heading = f"Server CPU per message ({name}), in times of the best peer"
    return panels(
        heading, rows, lambda title, name: f"{rows[title][name]:.2f}x  {costs[title][name]:.3g} µs", note_of(found), 2
    )


def least_peer(row: Rows) -> float:
    return min(cost for name, cost in row.items() if name != FLOOR and "reactor" not in name)


def memory(case: str, found: Mapping[str, Any]) -> Figure:
    rows = {"bytes": rows_of(found["cases"][case])}
    heading = f"Private memory per idle connection ({case})"
    return panels(heading, rows, lambda title, name: f"{rows[title][name]:,.0f} B", note_of(found))


def accept(case: str, found: Mapping[str, Any]) -> Figure:
    rows = {"µs of CPU": rows_of(found["cases"][case])}
    heading = f"A connection accepted, one echo, closed ({case})"
    return panels(heading, rows, lambda title, name: f"{rows[title][name]:.0f} µs", note_of(found))


def tail(kind: str, found: Mapping[str, Any]) -> Figure:
    """Draw within which time 99% of the messages came, the median of the windows."""
    rows: dict[str, dict[str, float]] = {}
    for each in found["cases"]:
        if each["kind"] == kind:
            waits = {name: median([one["waits"][1] for one in windows]) for name, windows in each["servers"].items()}
            rows[f"{each['rate']:,}/s"] = {name: waits[name] for name in LABELS if name in waits}
    heading = f"99% are back so many µs after they were due ({kind})"
    return panels(heading, rows, lambda title, name: f"{rows[title][name]:,.0f} µs", note_of(found), 2)


def loop(found: Mapping[str, Any]) -> Figure:
    """Draw the loops' own work, relative to asyncio."""
    costs = {
        title: {name: row[name]["least"] for name in LABELS if name in row} for title, row in found["work"].items()
    }
    rows = {title: {name: cost / row["asyncio"] for name, cost in row.items()} for title, row in costs.items()}
    heading = "CPU of the event loop itself, relative to asyncio"
    return panels(heading, rows, lambda title, name: f"{costs[title][name]:,.0f} ns", note_of(found), 3)


Draw = Callable[[Mapping[str, Any]], Figure]

PICTURES: dict[str, tuple[str, Draw]] = {
    "echo": ("echo", echo),
    "matrix": ("echo", matrix),
    "loop": ("loop", loop),
    **{name: ("echo", partial(road, name)) for name in ("raw", "tls", "unix", "broadcast")},
    **{f"memory-{case}": ("memory", partial(memory, case)) for case in ("tcp", "tls", "silent")},
    **{f"accept-{case}": ("accept", partial(accept, case)) for case in ("tcp", "tls")},
    **{f"tail-{kind}": ("tail", partial(tail, kind)) for kind in ("tcp", "tls")},
}


def draw(name: str, file: Path) -> None:
    """Draw one picture, where its figures have been measured."""
    source, picture = PICTURES[name]
    figures = OUT / f"{source}.json"
    if not figures.exists():
        print(f"{name}: no {figures.name} yet")
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        try:
            drawn = picture(read(figures))
        except LookupError:
            print(f"{name}: not in {figures.name} yet")
            return
        drawn.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    print(file)


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw what the bench found.")
    parser.add_argument("--readme", action="store_true", help=f"only {PICTURE.relative_to(OUT.parent.parent)}")
    if parser.parse_args().readme:
        draw("echo", PICTURE)
        return
    for name in PICTURES:
        draw(name, OUT / f"{name}.svg")


if __name__ == "__main__":
    main()
