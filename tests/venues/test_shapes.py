"""What the venue server says has the fields of Binance's official SDKs, and their kinds: `make witness` without the SDKs.

The shapes were read off the SDKs' models with `make witness ARGS='--shapes FILE'`; where our server differs on purpose is in
`witness/catalogue.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import localcontext
from pathlib import Path
from typing import Any

from tests.venues.witness import catalogue, tour
from tests.venues.witness.validate import spoken

SHAPES: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "sdk_shapes.json").read_text())["shapes"]
EXTRA = {name for each in catalogue.EXTRA.values() for name in each}
ABSENT = {name for each in catalogue.ABSENT.values() for name in each}
KINDS: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}


def findings(shape: Any, payload: Any, path: str) -> Iterator[str]:
    """What is not as it should be in one payload."""
    if isinstance(shape, dict):
        if not isinstance(payload, dict):
            yield f"{path}: is {type(payload).__name__}, not an object"
            return
        yield from (f"{path}.{name}: nobody knows it" for name in payload.keys() - shape.keys() - EXTRA - {"e"})
        yield from (f"{path}.{name}: is not there" for name in shape.keys() - payload.keys() - ABSENT)
        for name in shape.keys() & payload.keys():
            yield from findings(shape[name], payload[name], f"{path}.{name}")
    elif isinstance(shape, list):
        if not isinstance(payload, list):
            yield f"{path}: is {type(payload).__name__}, not a list"
            return
        for item in payload:
            yield from findings(shape[0], item, path)
    elif shape == "list":
        if not isinstance(payload, list):
            yield f"{path}: is {type(payload).__name__}, not a list"
    elif shape != "any" and payload is not None:
        wanted = tuple(kind for part in shape.split("|") for kind in KINDS[part])
        if not isinstance(payload, wanted) or (isinstance(payload, bool) and bool not in wanted):
            yield f"{path}: is {payload!r}, not {shape}"


async def test_everything_that_the_server_says_has_the_documented_shape(tmp_path: Path) -> None:
    """A tour of all of it with unmodified ccxt: no field too many, none too few, none of another kind."""
    with localcontext():  # ccxt as it is changes the one that it finds
        await tour.walk(tmp_path)
    found: set[str] = set()
    read = 0
    for where, name, payload in spoken(tmp_path / "journal.jsonl"):
        read += 1
        found.update(findings(SHAPES[name], payload, where) if name else [f"{where}: no shape is known"])
    assert sorted(found) == []
    assert read > 150


def test_the_check_sees_what_is_wrong() -> None:
    """A field too many, one missing, one of another kind."""
    shape = {"a": "str", "b": [{"c": "int"}], "d": "str|bool"}
    assert list(findings(shape, {"a": "1", "b": [{"c": 1}], "d": True}, "x")) == []
    assert len(list(findings(shape, {"a": 1, "b": [{"c": "1"}, {}], "d": 1, "z": 1}, "x"))) == 5
