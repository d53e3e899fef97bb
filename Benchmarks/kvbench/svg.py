"""Plots of lines over logarithmic axes, as SVG."""

import math
from html import escape

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 84, 150, 52, 62
# Told apart in the common kinds of colour blindness, and on paper by their marks (Okabe and Ito).
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
MARKS = ("circle", "square", "triangle", "diamond")


class Axis:
    def __init__(self, label, values, logarithmic, ticks=None, show=str):
        self.label, self.logarithmic, self.show = label, logarithmic, show
        low, high = min(values), max(values)
        if ticks is not None:
            self.ticks = list(ticks)
        elif logarithmic:
            self.ticks = decades(low, high)
        else:
            self.ticks = steps(high)
        self.low, self.high = min(self.ticks + [low]), max(self.ticks + [high])
        if self.low == self.high:
            self.high = self.low * 2 or 1

    def place(self, value):
        """0...1"""
        if self.logarithmic:
            return (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return (value - self.low) / (self.high - self.low)


def decades(low, high):
    """1, 2 and 5 of each power of ten, from at or below `low` to at or above `high`; tens alone over a wide range."""
    factors = (1, 2, 5) if high / low < 200 else (1,)
    first, last = math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1
    every = [factor * 10 ** power for power in range(first, last + 1) for factor in factors]
    below = [tick for tick in every if tick <= low * 1.0001]
    above = [tick for tick in every if tick >= high * 0.9999]
    return [tick for tick in every if below[-1] <= tick <= above[0]]


def steps(high):
    """From 0 in about five round steps."""
    unit = 10 ** math.floor(math.log10(high))
    step = next(s * unit / 10 for s in (1, 2, 5, 10, 20) if high / (s * unit / 10) <= 6)
    return [step * n for n in range(math.ceil(high / step) + 1)]


def short(value):
    """1500 as 1.5k"""
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{suffix}"
    return f"{value:g}"


def size(value):
    """Bytes."""
    for unit, suffix in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if value >= unit:
            return f"{value / unit:g} {suffix}"
    return f"{value:g} B"


def mark(kind, x, y, color):
    if kind == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{color}"/>'
    shapes = {
        "square": ((-4, -4), (4, -4), (4, 4), (-4, 4)), "triangle": ((0, -5), (5, 4), (-5, 4)),
        "diamond": ((0, -5.5), (5.5, 0), (0, 5.5), (-5.5, 0))}
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in shapes[kind])
    return f'<polygon points="{points}" fill="{color}"/>'


def plot(title, x_axis, y_axis, series):
    """`series`: names, each with its points. A line is labelled at its end."""
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def x(value):
        return LEFT + x_axis.place(value) * (right - LEFT)

    def y(value):
        return bottom - y_axis.place(value) * (bottom - TOP)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'font-family="system-ui, sans-serif" font-size="13" fill="#222" role="img">',
        f"<title>{escape(title)}</title>", f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="28" font-size="16" font-weight="600">{escape(title)}</text>']
    for tick in y_axis.ticks:
        out.append(
            f'<line x1="{LEFT}" y1="{y(tick):.1f}" x2="{right}" y2="{y(tick):.1f}" stroke="#ddd"/>'
            f'<text x="{LEFT - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{escape(y_axis.show(tick))}</text>')
    for tick in x_axis.ticks:
        out.append(
            f'<line x1="{x(tick):.1f}" y1="{TOP}" x2="{x(tick):.1f}" y2="{bottom}" stroke="#eee"/>'
            f'<text x="{x(tick):.1f}" y="{bottom + 20}" text-anchor="middle">{escape(x_axis.show(tick))}</text>')
    out.append(f'<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="#444"/>')
    out.append(
        f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 16}" text-anchor="middle">{escape(x_axis.label)}</text>')
    middle = (TOP + bottom) / 2
    out.append(
        f'<text transform="translate(20 {middle}) rotate(-90)" text-anchor="middle">{escape(y_axis.label)}</text>')
    ends = []
    for number, (name, points) in enumerate(series):
        color = COLORS[number % len(COLORS)]
        places = [(x(a), y(b)) for a, b in points]
        line = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
        out.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2"/>')
        out += [mark(MARKS[number % len(MARKS)], a, b, color) for a, b in places]
        ends.append([places[-1][1], places[-1][0], name, color])
    # Labels that would lie on each other are moved apart, downwards.
    previous = -math.inf
    for end in sorted(ends):
        end[0] = previous = max(end[0], previous + 16)
        out.append(
            f'<text x="{end[1] + 10:.1f}" y="{end[0] + 4:.1f}" fill="{end[3]}" font-weight="600">'
            f"{escape(end[2])}</text>")
    return "\n".join(out) + "\n</svg>\n"


def text_of(points_by_name):
    """The same figures as a table, for who cannot see the plot."""
    names = [name for name, _ in points_by_name]
    xs = sorted({point[0] for _, points in points_by_name for point in points})
    lines = ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for value in xs:
        cells = []
        for _, points in points_by_name:
            found = [b for a, b in points if a == value]
            cells.append(f"{found[0]:,.4g}" if found and found[0] < 1000 else f"{found[0]:,.0f}" if found else "")
        lines.append(f"| {value:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
