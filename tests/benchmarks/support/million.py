"""A database with very many fills, made by SQLite itself in a few seconds.

Every fill has its order, its event, its allocation and its posting. Buys and sells of one size at one price without
fee alternate, so the balances that were there stay right and the books agree with the venue. All lie in the years
before the replay begins.
"""

import sqlite3
from pathlib import Path

# n counts fills and o orders; `:each` fills belong to one order.
_NUMBERS = """WITH RECURSIVE counted(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM counted WHERE n + 1 < :count),
              numbers(n, o) AS (SELECT n, n / :each FROM counted)"""
_ORDERS = "FROM numbers WHERE n % :each = 0"
_AT = "strftime('%Y-%m-%d %H:%M:%S+00:00', 631152000 + n * 300000000 / :count, 'unixepoch')"
_SIDE = "CASE o % 2 WHEN 0 THEN 'buy' ELSE 'sell' END"
_SIGNED = "CASE o % 2 WHEN 0 THEN '10' ELSE '-10' END"
_WHOLE = "CASE o % 2 WHEN 0 THEN '' ELSE '-' END || (10 * :each)"
_SYMBOL = "CASE o / 2 % 3 WHEN 0 THEN 'AAPL' WHEN 1 THEN 'IBM' ELSE 'MSFT' END"
_STRATEGY = "CASE o / 2 % 3 WHEN 0 THEN 'trend-aapl' WHEN 1 THEN 'breakout-ibm' ELSE 'trend-msft' END"
_ORDER = "'qd0' || printf('%025d', o)"
_FILL = f"{_ORDER} || '-' || (n % :each + 1)"
_REF = f"'fill:paper:' || {_SYMBOL} || ':' || {_FILL}"
_WHERE = f"'/paper/' || {_STRATEGY} || '/' || {_SYMBOL}"

_ROWS = (
    f"""INSERT INTO orders (client_order_id, account, symbol, side, quantity, filled, type, time_in_force, reduce_only,
            origin, allocations, strategies, state, is_open, venue_order_id, reason, note, at, recorded_at)
        {_NUMBERS} SELECT {_ORDER}, 'paper', {_SYMBOL}, {_SIDE}, CAST(10 * :each AS TEXT), CAST(10 * :each AS TEXT),
            'market', 'day', 0, 'strategy', '{{"' || {_STRATEGY} || '":"' || {_WHOLE} || '"}}',
            '|' || {_STRATEGY} || '|', 'filled', 0, 'paper-' || o, 'generated', '', {_AT}, {_AT} {_ORDERS}""",
    f"""INSERT INTO order_events (client_order_id, "before", "after", note, at, recorded_at)
        {_NUMBERS} SELECT {_ORDER}, 'working', 'filled', 'generated', {_AT}, {_AT} {_ORDERS}""",
    f"""INSERT INTO fills (account, fill_id, client_order_id, symbol, side, quantity, price, fee, fee_currency,
            currency, liquidity, strategies, at, recorded_at)
        {_NUMBERS} SELECT 'paper', {_FILL}, {_ORDER}, {_SYMBOL}, {_SIDE}, '10', '50.25', '0', 'USD', 'USD',
            'taker', '|' || {_STRATEGY} || '|', {_AT}, {_AT} FROM numbers""",
    f"""INSERT INTO allocations (fill_ref, account, strategy, symbol, quantity, price, fee, at)
        {_NUMBERS} SELECT {_REF}, 'paper', {_STRATEGY}, {_SYMBOL}, {_SIGNED}, '50.25', '0', {_AT} FROM numbers""",
    f"""INSERT INTO ledger_transactions (id, ref, kind, at, recorded_at)
        {_NUMBERS} SELECT n + 1000, {_REF}, 'fill', {_AT}, {_AT} FROM numbers""",
    f"""INSERT INTO ledger_entries (transaction_id, account, unit, amount)
        {_NUMBERS} SELECT n + 1000, 'position' || {_WHERE}, {_SYMBOL}, {_SIGNED} FROM numbers""",
    f"""INSERT INTO ledger_entries (transaction_id, account, unit, amount)
        {_NUMBERS} SELECT n + 1000, 'venue/paper', {_SYMBOL}, -({_SIGNED}) FROM numbers""",
    f"""INSERT INTO ledger_entries (transaction_id, account, unit, amount)
        {_NUMBERS} SELECT n + 1000, 'cash/paper', 'USD', printf('%.2f', -50.25 * ({_SIGNED})) FROM numbers""",
    f"""INSERT INTO ledger_entries (transaction_id, account, unit, amount)
        {_NUMBERS} SELECT n + 1000, 'cost' || {_WHERE}, 'USD', printf('%.2f', 50.25 * ({_SIGNED})) FROM numbers""",
)


def add_fills(path: Path, count: int, *, fills_each: int = 1) -> None:
    """Add `count` fills, `fills_each` to an order (an even number of orders), with all that belongs to them."""
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA cache_size=-400000")
        indexes = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN "
            "('orders', 'order_events', 'fills', 'allocations', 'ledger_transactions', 'ledger_entries')"
        ).fetchall()
        for name, _ in indexes:
            connection.execute(f'DROP INDEX "{name}"')
        for sql in _ROWS:
            connection.execute(sql, {"count": count, "each": fills_each})
        for _, sql in indexes:
            connection.execute(sql)
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()
