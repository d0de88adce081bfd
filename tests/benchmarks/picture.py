"""The picture: CPU seconds and memory against the number of files, on logarithmic scales.

All colors show up on a light and on a dark page.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

from tests.benchmarks import size
from tests.benchmarks.processes import Row
from tests.benchmarks.tables import short

INK = "#7d7d7d"
COLORS = {
    size.WALK: "#7d7d7d",
    size.SAME: "#1f83d6",
    size.KEPT: "#009e8e",
    size.FIRST: "#8a6fe8",
    size.RSYNC: "#d9534f",
    size.COPY: "#c77700",
    size.RESTIC: "#c2559d",
}
WIDTH, HEIGHT = 460, 300  # pixels of a chart
LEFT, RIGHT, TOP, BOTTOM = 55, 190, 40, 40  # around it
GAP = 16  # pixels between two names


def draw(path: Path, rows: Sequence[Row]) -> None:
    """Write the picture of `rows` as SVG; write nothing if there is nothing to show."""
    shown = [row for row in rows if row.part == "size" and row.what in COLORS]
    if not shown:
        return
    width, height = LEFT + WIDTH + RIGHT, TOP + HEIGHT + BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {2 * height}"'
        f' font-family="sans-serif" font-size="12">',
        *_chart("CPU seconds, by number of files", shown, lambda row: row.costs.cpu, 0),
        *_chart(
            "Peak memory in MiB, by number of files", shown, lambda row: row.costs.peak, height
        ),
        "</svg>\n",
    ]
    path.write_text("\n".join(parts), encoding="utf-8")


def _chart(title: str, rows: Sequence[Row], value: Callable[[Row], float], down: int) -> list[str]:
    """Return the elements of a chart, which begins `down` pixels from the top."""
    sizes = sorted({row.size for row in rows})
    powers = [math.log10(value(row)) for row in rows]
    low, high = math.floor(min(powers)), math.ceil(max(powers))
    bottom = down + TOP + HEIGHT

    def point(files: float, height: float) -> tuple[float, float]:
        x = math.log10(files / sizes[0]) / (math.log10(sizes[-1] / sizes[0]) or 1)
        y = (math.log10(height) - low) / ((high - low) or 1)
        return LEFT + x * WIDTH, bottom - y * HEIGHT

    parts = [_text(LEFT, down + TOP - 15, title, INK)]
    for files in sizes:
        parts.append(_text(point(files, 10**low)[0], bottom + 20, short(files), INK, "middle"))
    for power in range(low, high + 1):
        y = point(sizes[0], 10**power)[1]
        parts.append(_text(LEFT - 8, y + 4, short(10**power), INK, "end"))
        parts.append(_line([(LEFT, y), (LEFT + WIDTH, y)], INK, 0.4))
    names = []
    for what, color in COLORS.items():
        points = [point(row.size, value(row)) for row in rows if row.what == what]
        if points:
            parts.append(_line(points, color, 3 if what in size.OURS else 1.5))
            names.append((points[-1][1] + 4, what, color))
    lowest = 0.0
    for y, what, color in sorted(names):
        # Names that would overlap are moved down.
        lowest = max(y, lowest + GAP)
        parts.append(_text(LEFT + WIDTH + 8, lowest, what, color))
    return parts


def _text(x: float, y: float, text: str, color: str, anchor: str = "start") -> str:
    place = f'x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="{color}"'
    return f"<text {place}>{escape(text)}</text>"


def _line(points: Sequence[tuple[float, float]], color: str, width: float) -> str:
    places = " ".join(f"{x:.0f},{y:.0f}" for x, y in points)
    look = f'fill="none" stroke="{color}" stroke-width="{width}"'
    return f'<polyline points="{places}" {look}/>'
