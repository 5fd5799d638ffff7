"""A venue that trades without end until it is killed; says what it acknowledges, on stdout."""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

from brokers.simulation.fees import Fees
from brokers.simulation.journal import Journal
from tests.brokers.rig import Rig, dec


def main(path: str) -> None:
    journal = Journal(Path(path), currency="USD", initial_cash=dec(100_000))
    rig = Rig(journal, fees=Fees(dec("0.0002"), dec("0.0007"), dec("0.35")), shorting=True)
    for n in count():
        price = 100 + n % 7
        for report in rig.tick(price, price + dec("0.02"), volume=100 + n % 5 * 150):
            for fill in report.fills:
                print("fill", fill.fill_id, flush=True)
        side = 1 if rig.position() < 0 else -1
        print("order", rig.place(side * (10 + n % 30), oid=f"k{n}").client_order_id, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
