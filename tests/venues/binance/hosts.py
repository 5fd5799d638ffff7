"""Binance's names: which product lives there, and in which mode."""

from __future__ import annotations

from dataclasses import dataclass

from tests.venues import loopback

LIVE, TESTNET, DEMO = "live", "testnet", "demo"
MODES = (LIVE, TESTNET, DEMO)

DOMAINS = ("binance.com", "binance.vision", "testnet.binance.vision", "binancefuture.com")
CERTIFICATE_NAMES = (*loopback.wildcards(DOMAINS), "localhost", loopback.HOST)


@dataclass(frozen=True, slots=True)
class Place:
    """`site` is api, fapi, dapi, ws-api, ws-fapi, stream or fstream; `mode` live, testnet or demo."""

    site: str
    mode: str


_HOSTS: dict[str, tuple[Place, ...]] = {
    "api.binance.com": (Place("api", LIVE),),
    "fapi.binance.com": (Place("fapi", LIVE),),
    "dapi.binance.com": (Place("dapi", LIVE),),
    "ws-api.binance.com": (Place("ws-api", LIVE),),
    "ws-fapi.binance.com": (Place("ws-fapi", LIVE),),
    "stream.binance.com": (Place("stream", LIVE),),
    "fstream.binance.com": (Place("fstream", LIVE),),
    "testnet.binance.vision": (Place("api", TESTNET),),
    "ws-api.testnet.binance.vision": (Place("ws-api", TESTNET),),
    "stream.testnet.binance.vision": (Place("stream", TESTNET),),
    "testnet.binancefuture.com": (Place("fapi", TESTNET), Place("dapi", TESTNET), Place("ws-fapi", TESTNET)),
    "fstream.binancefuture.com": (Place("fstream", TESTNET),),  # the demo's, too: a listen key says whose it is
    "demo-api.binance.com": (Place("api", DEMO),),
    "demo-fapi.binance.com": (Place("fapi", DEMO),),
    "demo-dapi.binance.com": (Place("dapi", DEMO),),
    "demo-ws-api.binance.com": (Place("ws-api", DEMO),),
    "demo-stream.binance.com": (Place("stream", DEMO),),
}


def place_of(host: str, path: str) -> Place | None:
    """Where a request to `host` for `path` has come to; None is nobody's."""
    places = _HOSTS.get(host.partition(":")[0], ())
    if len(places) < 2:
        return next(iter(places), None)
    return next((place for place in places if path.startswith(f"/{place.site}/")), None)
