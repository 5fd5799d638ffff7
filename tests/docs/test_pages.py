"""The pages are whole: links lead somewhere, nothing private or machine-bound is in them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pytest
from pages import DOCS, README, ROOT, cells, files, markdown, read, section, text_files

from bot.command import discover
from core.access.roles import told_roles

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def _prose(text: str) -> str:
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def _anchors(path: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", _prose(read(path)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_relative_link_leads_somewhere():
    """Also to the heading that it names."""
    broken = []
    for page in markdown():
        for link in _LINK.findall(_prose(read(page))):
            if re.match(r"[a-z]+:", link):
                continue
            name, _, anchor = unquote(link).partition("#")
            target = (page.parent / name).resolve() if name else page
            if not target.exists() or (anchor and target.suffix == ".md" and anchor not in _anchors(target)):
                broken.append(f"{page.relative_to(ROOT)}: {link}")
    assert not broken


def test_every_file_that_a_page_names_exists():
    """Paths in code marks, from the top of the repository."""
    gone = []
    for page in markdown():
        for name in re.findall(r"`((?:bot|core|brokers|risk|tests|docs)/[\w./-]*\w(?:/|\.\w+))`", read(page)):
            if "NAME" not in name and name != "docs/benchmarks.md" and not (ROOT / name).exists():
                gone.append(f"{page.relative_to(ROOT)}: {name}")
    assert not gone


def test_pictures_are_small_and_of_phone_width():
    """Under 200 kB, 390 points wide at twice the density."""
    pictures = [path for path in files() if path.parent == DOCS / "images" and path.suffix == ".png"]
    assert len(pictures) >= 4
    for path in pictures:
        assert path.stat().st_size < 200_000, path.name
        assert int.from_bytes(path.read_bytes()[16:20]) == 780, path.name


def test_nothing_holds_the_address_of_a_package_registry():
    """Lock files, settings and pages alike."""
    words = ("index" + "-url", "pypi" + ".org", "pythonhosted" + ".org", "/sim" + "ple/", "npm" + "js.org")
    found = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in text_files() if path.name != "Makefile"  # it names the option that leaves addresses out
        for word in words if word in read(path)
    ]  # fmt: skip
    assert not found


def test_locks_have_no_index_lines():
    """Only names, versions, markers and hashes."""
    for path in (ROOT / "requirements.txt", ROOT / "requirements-dev.txt"):
        for line in read(path).splitlines():
            assert re.match(r"[A-Za-z0-9_.\[\]-]+==|\s+--hash=sha256:[0-9a-f]{64}|\s*(#.*)?$", line), line
            assert "://" not in line


def test_nothing_outside_tests_names_a_path_of_one_machine():
    """Such a path works for nobody else."""
    path_of_a_machine = re.compile(r"(?<![\w.\-/])/(?:work|root|tmp|home)/")
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in text_files() if "tests" not in path.relative_to(ROOT).parts
        for number, line in enumerate(read(path).splitlines(), 1) if path_of_a_machine.search(line)
    ]  # fmt: skip
    assert not found


def test_every_make_target_that_a_page_names_exists():
    """In README, docs and .env.example."""
    targets = set(re.findall(r"^([a-z]+):", read(ROOT / "Makefile"), re.MULTILINE))
    for page in markdown():
        named = set(re.findall(r"`make ([a-z]+)", read(page))) | set(
            re.findall(r"^make ([a-z]+)", read(page), re.MULTILINE)
        )
        assert named <= targets, page


def test_readme_lists_every_command_as_it_is_registered():
    """Form, title, role, question and other names."""
    expected = []
    for one in discover():
        also = ", ".join(f"/{name}" for name in one.aliases)
        role = told_roles(one.permission)
        expected.append([f"`{one.form}`", one.title, role, "yes" if one.ask else "", also])
    found = re.search(r"<!-- commands.*?-->\n(.*?)<!-- /commands -->", read(README), re.DOTALL)
    assert found
    assert cells(found[1])[1:] == expected


def test_every_command_that_a_page_names_exists():
    """Commands in code marks and bold marks; @BotFather's own are his."""
    registry, his = discover(), {"newbot", "revoke"}
    for page in [README, *DOCS.glob("*.md")]:
        for name in re.findall(r"`/([a-z_]+)(?: [^`/]*)?`", read(page)):
            assert name in his or registry.find(name), f"{page.name}: /{name}"


_GLOSSARY = [
    "account",
    "strategy",
    "signal",
    "exposure",
    "target",
    "intent",
    "order",
    "fill",
    "position",
    "ledger",
    "mark",
    "equity",
    "drawdown",
    "halt",
    "flatten",
    "reconcile",
    "outbox",
    "inbox",
    "ticket",
    "allocation",
    "audit",
    "baseline",
    "breach",
    "broker",
    "conflict",
    "cross",
    "denial",
    "drift",
    "gate",
    "goal",
    "instrument",
    "limit",
    "paper",
    "sizing",
    "uncertain",
    "venue",
    "warm-up",
    "bar",
    "alert",
]


@pytest.mark.parametrize("term", [*_GLOSSARY, "ACTIVE, REDUCING, HALTED", "lot, tick"])
def test_the_glossary_explains(term):
    """A word that code, database and chat use."""
    assert term in [row[0] for row in cells(section(README, "Glossary"))]


def test_the_glossary_is_in_order():
    """So that a word is found."""
    terms = [row[0].lower() for row in cells(section(README, "Glossary"))[1:]]
    assert terms == sorted(terms)


def test_every_dependency_has_a_reason():
    """And nothing is explained that is not there."""
    project = tomllib.loads(read(ROOT / "pyproject.toml"))
    groups = project["dependency-groups"]
    lines = [*project["project"]["dependencies"], *groups["build"], *groups["dev"]]
    wanted = {re.match(r"[\w.-]+", line)[0] for line in lines if isinstance(line, str)}
    table = cells(read(DOCS / "dependencies.md"))
    rows = {row[0].strip("`"): row for row in table if row[0].startswith("`")}
    assert set(rows) == wanted
    assert all(row[1] and row[2] for row in rows.values())


def test_decisions_are_numbered_and_have_their_parts():
    """Context, decision, consequences; 20 to 30 lines."""
    pages = sorted((DOCS / "decisions").glob("*.md"))
    assert [page.name[:4] for page in pages] == [f"{number:04}" for number in range(1, len(pages) + 1)]
    for page in pages:
        text = read(page)
        assert text.startswith(f"# {page.name[:4]} ")
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
        assert 19 <= len(text.splitlines()) <= 40, page.name


@pytest.mark.parametrize(
    ("room", "heading"),
    [
        ("core/trading", "The rooms of `core/trading`"),
        ("core/trading/protection", "The rooms of `core/trading`"),
        ("core/trading/by_hand", "The rooms of `core/trading`"),
        ("core/store", "Storage and durability"),
    ],
)
def test_every_room_is_explained(room, heading):
    """Each file of the two largest folders has its line, and no line is about a file that is gone."""
    named = {
        name for row in cells(section(DOCS / "architecture.md", heading)) for name in re.findall(r"`(\w+\.py)`", row[0])
    }
    files_of_room = {path.name for path in (ROOT / room).glob("*.py")} - {"__init__.py"}
    inner = {path.name for path in (ROOT / room).rglob("*.py")}
    assert files_of_room <= named
    assert room.startswith("core/trading/") or named <= inner


def test_broad_excepts_are_in_the_places_that_the_architecture_names():
    """Nowhere else."""
    allowed = {row[0] for row in cells(section(DOCS / "architecture.md", "Where broad `except`s are"))}
    named = {name for cell in allowed for name in re.findall(r"`([\w/]+\.py)`", cell)}
    found = {
        str(path.relative_to(ROOT))
        for room in ("bot", "core", "risk", "brokers")
        for path in (ROOT / room).rglob("*.py")
        if re.search(r"except Exception\b", read(path))
    }
    assert found == named
