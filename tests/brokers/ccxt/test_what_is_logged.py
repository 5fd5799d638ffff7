"""Our library writes each request down when everything is logged: with the key, and signed."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.brokers.ccxt.rig import account


@pytest.mark.parametrize("market", ["spot", "usdm"])
async def test_no_request_is_written_down(tmp_path: Path, market: str, caplog: pytest.LogCaptureFixture) -> None:
    """Neither keys, which are redacted, nor signatures and tokens of streams, whose shape nobody knows."""
    caplog.set_level(logging.DEBUG)
    async with account(tmp_path, market) as rig:
        await rig.place()
        key = rig.venue.keys.of("live")
        said = "\n".join(record.getMessage() for record in caplog.records)
        for secret in (key.api_key, key.secret, "signature", "X-MBX-APIKEY"):
            assert secret not in said
        await rig.broker.disconnect()
