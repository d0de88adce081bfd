"""The picture: cost against size, and listing rate against latency, both on logarithmic scales."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path

import leather

from tests.benchmarks import size
from tests.benchmarks.processes import Row
from tests.benchmarks.tables import short

COLORS = ["#1f77b4", "#17becf", "#2ca02c", "#999999", "#d62728", "#ff7f0e"]
WIDTH, HEIGHT = 1000, 440  # pixels


def draw(path: Path, rows: list[Row]) -> None:
    """Write the picture of `rows` as SVG."""
    leather.theme.background_color = "#ffffff"
    for what in ("title", "legend", "tick", "axis_title"):
        setattr(leather.theme, f"{what}_font_family", "sans-serif")
    leather.theme.legend_font_size = leather.theme.tick_font_size = 11
    leather.theme.legend_font_char_width = leather.theme.tick_font_char_width = 6
    grid = leather.Grid()
    sizes = [row for row in rows if row.part == "size" and row.what not in (size.SAVE, size.FIRST)]
    if sizes:
        lines = _lines(sizes, lambda row: (row.size, row.costs.wall))
        grid.add_one(_chart("Seconds a run, by number of files", lines, "files", "seconds"))
    rates = [row for row in rows if row.part == "latency"]
    if rates:
        lines = _lines(rates, lambda row: (row.latency, row.rate))
        title = "Directories listed a second, by latency"
        grid.add_one(_chart(title, lines, "milliseconds", "directories a second"))
    grid.to_svg(str(path), width=WIDTH, height=HEIGHT)


def _lines(
    rows: list[Row], point: Callable[[Row], tuple[float, float]]
) -> dict[str, list[tuple[float, float]]]:
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        lines.setdefault(row.what, []).append(point(row))
    return lines


def _chart(
    title: str, lines: dict[str, list[tuple[float, float]]], across: str, up: str
) -> leather.Chart:
    chart = leather.Chart(title)
    for color, (name, points) in zip(COLORS * 2, lines.items(), strict=False):
        places = sorted((_log(x), _log(y)) for x, y in points)
        if len(places) > 1:
            chart.add_line(places, name=name, stroke_color=color)
        else:
            chart.add_dots(places, name=name, fill_color=color)
    xs, ys = zip(*(point for points in lines.values() for point in points), strict=True)
    for values, scale, axis, name in (
        (xs, chart.add_x_scale, chart.add_x_axis, across),
        (ys, chart.add_y_scale, chart.add_y_axis, up),
    ):
        ticks = _ticks(values) if values is ys else sorted({_log(x) for x in xs})
        scale(ticks[0], ticks[-1])
        axis(ticks, lambda tick, _index, _count: short(10**tick), name)
    return chart


def _ticks(values: Iterable[float]) -> list[float]:
    """Return the logarithms of the powers of ten, and halves of them, around `values`."""
    logs = [_log(value) for value in values]
    first, last = math.floor(2 * min(logs)), math.ceil(2 * max(logs))
    return [number / 2 for number in range(first, max(last, first + 1) + 1)]


def _log(value: float) -> float:
    """Return the logarithm, as exact as the scales of leather are."""
    return round(math.log10(value), 6)
