"""The table of crash points for the docs: `python -m tests.faults.points_table`."""

from __future__ import annotations

from tests.faults.crash_points import POINTS


def table() -> str:
    """One line a point, as Markdown."""
    rows = [f"| {p.name} | {p.says} | {p.phase} | {p.action} |" for p in POINTS.values()]
    return "\n".join(["| point | dies when | in the life | on the way to |", "|---|---|---|---|", *rows])


if __name__ == "__main__":
    print(table())
