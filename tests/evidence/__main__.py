"""`python -m tests.evidence`: write docs/brokers.md anew."""

from __future__ import annotations

from tests.evidence.page import PAGE, page

if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE.name} is written")
