"""The words of an order, as /help shows them. Every example is read by a test."""

from __future__ import annotations

ORDER_WORDS = """
SYMBOL SIZE [PRICE] [TIME] [post] [reduce] [with EXITS] [in ACCOUNT]

SIZE: 10 (units) · $5000 (worth) · 2% (of equity) · half, all (of what you hold by hand)
PRICE: none is at market · limit 98.5 or @ 98.5 · stop 105 · stop 105 limit 106 · take 110 · trail 2 · trail 2%
TIME: none is for the day · gtc · ioc · fok · gtd 2026-12-31
EXITS: stop 95 · target 110 · trail 3% · bars 20 · hours 48 (prices, or % of the entry price)
stop and target together are exits, also without “with”.

/buy AAPL 10
/buy AAPL $5000 limit 98.5 gtc
/buy AAPL 10 stop 95 target 110
/buy AAPL 2% @ 98.5 with stop 3% target 6%
/sell MSFT 5 stop 90
/sell MSFT half trail 2%"""

CLOSE_WORDS = """
All of it without a size; half, 25% or units of it. Another holder than yourself by name:
a strategy's position is closed at market, and it does not buy back until its signal changes.

/close AAPL
/close AAPL half
/close AAPL trend-aapl 25%
/close AAPL manual 5 limit 110"""

EXIT_WORDS = """
stop and target are prices, or % of the entry price; trail is a distance. They hold until the position is flat.
“in ACCOUNT” says which position, where several accounts hold one.

/exits AAPL
/exits AAPL stop 95 target 110
/exits trend-aapl AAPL trail 3%
/exits AAPL none"""
