"""Reading our own pages."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
ENV_EXAMPLE = ROOT / ".env.example"
_TEXT = {".md", ".py", ".toml", ".txt", ".yaml", ".yml", ".cfg", ".js", ".css", ".html", ".svg", ".json", ".ambr", ""}


@cache
def files() -> tuple[Path, ...]:
    """Every file of the repository, new ones included, ignored ones not."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.split("\0")  # fmt: skip
    return tuple(path for name in listed if name and (path := ROOT / name).is_file())


def text_files() -> list[Path]:
    return [path for path in files() if path.suffix in _TEXT]


def markdown() -> list[Path]:
    return [path for path in files() if path.suffix == ".md"]


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def cells(text: str) -> list[list[str]]:
    """Every table row as its cells, without code marks."""
    rows = [re.split(r"(?<!\\)\|", line.strip()[1:-1]) for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip().replace("\\|", "|") for cell in row] for row in rows if not set("".join(row)) <= set("- :")]


def section(path: Path, heading: str) -> str:
    """What stands under a heading, up to the next one of any level."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", read(path), re.MULTILINE | re.DOTALL)
    assert found, f"{path.name} has no heading {heading!r}"
    return found[1]
