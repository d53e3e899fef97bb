"""What grows faster than the work that is asked for: one function for each row of the suite `scale` that looks for it.

keys       rows about many keys in one cluster: pages, turns, overwritten values, expiring keys
clusters   rows about many partitions and nodes: joins, idle nodes, maps, frames, memory
network    a network of its own for nodes, whose packets can then be counted
isolated   the program that measures a row inside such a network
resp       a plain client of Redis's protocol
pinger     the program that asks a node over and over, and says how long it was kept waiting

A row takes the options of the suite and returns a `Found`. Sizes are arguments, so that tests can use small ones.
"""

from .. import report


class Found:
    """What a row found."""

    def __init__(self, name):
        self.name = name
        self.figures = []
        self.ratios = {}

    def add(self, what, value, unit, at_most=None):
        """`at_most`: what the project holds the figure to, in the same unit; None where it is there to compare."""
        self.figures.append({"what": what, "value": value, "unit": unit, "at_most": at_most})
        wanted = "" if at_most is None else f" (at most {number(at_most)})"
        report.say(f"{what}: {number(value)} {unit}{wanted}")

    def flat(self, name, small, large):
        """Notes the cost at the small size over the cost at the large one: 1 where it does not grow, less where it
        does."""
        # What is too little to be seen counts as the least that could be: a ratio needs two figures.
        self.ratios[f"{self.name}/{name}"] = max(small, 1e-9) / max(large, 1e-9)

    def as_json(self):
        return {"name": self.name, "figures": self.figures, "ratios": self.ratios}


def number(value):
    """Three digits, as they are read: 0.0123, 4.56, 789, 12,345."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    digits = 0
    while abs(value) * 10 ** digits < 100 and digits < 6:
        digits += 1
    return f"{value:.{digits}f}"


def table(rows):
    """Every figure of rows as `as_json` has them, beside what it is held to."""
    cells = [
        [f"`{row['name']}`", figure["what"], f"{number(figure['value'])} {figure['unit']}", wanted(figure)]
        for row in rows for figure in row["figures"]]
    return report.table(["row", "measure", "kv", "at most"], cells)


def wanted(figure):
    if figure["at_most"] is None:
        return ""
    said = f"{number(figure['at_most'])} {figure['unit']}"
    return said if figure["value"] <= figure["at_most"] else f"{said}: **exceeded**"
