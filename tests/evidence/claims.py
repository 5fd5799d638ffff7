"""What each claim of docs/brokers.md rests on: for each row and account a grade and the test that shows it.

A claim says no more than its test does. Nothing is `live`: nobody has reached a real venue with this program.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    """How a claim was verified, the best first."""

    LIVE = "live"
    OWN = "own"
    WIRE = "wire"
    PAYLOAD = "payload"
    READ = "read"


@dataclass(frozen=True)
class Claim:
    """`node` is a test (`path::name`); of what was only read, where."""

    grade: Grade
    node: str


def own(node: str) -> Claim:
    """The venue is in this program, and its own tests show it."""
    return Claim(Grade.OWN, f"tests/{node}")


def wire(node: str) -> Claim:
    """Through our adapter and unmodified ccxt against the venue server, over real sockets."""
    return Claim(Grade.WIRE, f"tests/{node}")


def payload(node: str) -> Claim:
    """With the venue's documented or reconstructed answers, over real sockets; requests are compared word for word."""
    return Claim(Grade.PAYLOAD, f"tests/brokers/venues/{node}")


def read(where: str) -> Claim:
    """Taken from the documentation, or from ccxt's code; no test shows it."""
    return Claim(Grade.READ, where)


ORDERS, ACCOUNT, STREAMS = "contract/test_orders.py", "contract/test_account_and_market.py", "brokers/ccxt_streams"
SENT = wire("brokers/ccxt/test_binance_requests.py::test_every_kind_of_order_goes_out_as_the_venue_wants_it")
KINDS = f"{ORDERS}::test_declared_types_are_accepted_and_others_not_supported"
BINANCE = "brokers/ccxt/test_binance_accounts.py"
ON_MARGIN = wire(f"{BINANCE}::test_the_life_of_an_order_on_margin")
ASKED = payload("test_requests.py::test_every_question_in_the_venues_words")
FIVE = ("bybit", "coinbase", "kraken", "kucoin", "okx")

Claims = Mapping[str, Claim]


def of_five(node: str) -> Claims:
    """One test that goes through the five venues."""
    return dict.fromkeys(FIVE, payload(node))


def of_each(**nodes: str) -> Claims:
    """A test of each venue's own, by its name: `bybit="test_x"`, `okx_swap="test_y"`."""
    return {key.replace("_", " "): payload(f"test_{key.partition('_')[0]}.py::{name}") for key, name in nodes.items()}


def contract(node: str, **more: Claim) -> Claims:
    """The contract suite: paper, Binance's spot market and its futures."""
    return {"paper": own(node), "binance spot": wire(node), "binance usdm": wire(node), **spaced(more)}


def spaced(claims: Claims) -> Claims:
    """`binance_margin` as accounts are called."""
    return {key.replace("_", " "): claim for key, claim in claims.items()}


_PLACED = of_each(
    bybit_spot="test_spot_orders_in_the_venues_words",
    bybit_linear="test_orders_of_perpetuals_in_the_venues_words",
    coinbase="test_every_order_is_said_in_the_venues_words_under_our_id",
    kraken="test_every_order_is_said_in_the_venues_words",
    kucoin="test_every_order_is_said_in_the_venues_words",
    okx_spot="test_spot_orders_in_the_venues_words",
    okx_swap="test_orders_of_swaps_in_the_venues_words",
)
_OFFERED: Claims = {"paper": own(KINDS), "binance": SENT, **_PLACED}
_RIGHTS = f"{BINANCE}::test_keys_that_may_withdraw_or_not_trade_are_refused"
_MODES = {
    "binance": wire(f"{BINANCE}::test_each_mode_has_an_address_of_its_own"),
    **of_each(bybit="test_each_mode_has_an_address_of_its_own", okx="test_the_demo_is_a_header"),
}

CLAIMS: Mapping[str, Claims] = {
    # --- modes and keys ----------------------------------------------------------------------------
    "live": {**of_five("test_requests.py::test_every_question_in_the_venues_words"), **_MODES},
    "testnet": _MODES,
    "demo": _MODES,
    "no keys": {
        "binance": wire(f"{BINANCE}::test_prices_without_a_key"),
        **of_five("test_public_streams.py::test_quotes_come_by_asking_where_no_stream_opens"),
    },
    "withdrawals": {
        "binance": wire(_RIGHTS),
        **of_five("test_keys.py::test_a_key_that_may_withdraw_is_refused_and_not_used"),
    },
    "trading": {"binance": wire(_RIGHTS), **of_five("test_keys.py::test_a_key_that_may_only_read_is_refused")},
    "addresses": {
        "binance": wire(f"{BINANCE}::test_a_key_for_every_address_is_a_warning"),
        **of_five("test_keys.py::test_a_key_for_every_address_is_a_warning"),
    },
    "refused key": {
        "binance": wire(f"{BINANCE}::test_a_key_of_another_mode_is_told"),
        **of_five("test_keys.py::test_a_key_that_the_venue_does_not_take"),
    },
    "kind of account": {
        "binance usdm": wire(f"{BINANCE}::test_an_account_that_holds_long_and_short_apart_is_refused"),
        **of_each(
            bybit="test_a_classic_account_is_refused",
            kucoin="test_an_account_of_another_kind_is_refused",
            okx_swap="test_an_account_that_swaps_do_not_fit_is_refused",
        ),
    },
    # --- orders ------------------------------------------------------------------------------------
    "market": _OFFERED,
    "limit": _OFFERED,
    "post-only": {**_OFFERED, "paper": own(f"{ORDERS}::test_a_post_only_order_never_takes")},
    "stop": _OFFERED,
    "stop-limit": _OFFERED,
    "take-profit": _OFFERED,
    "take-profit-limit": _OFFERED,
    "trailing percent": {
        **_OFFERED,
        "paper": own(
            "brokers/test_orders_of_the_venue.py::test_a_trailing_stop_follows_the_best_price_and_never_goes_back"
        ),
    },
    "trailing price": _OFFERED,
    "reduce-only": {**_OFFERED, "paper": own(f"{ORDERS}::test_a_reduce_only_order_never_opens")},
    "oco": {"paper": own(f"{ORDERS}::test_orders_of_one_group_cancel_each_other_where_that_is_declared")},
    # --- how long it lives -------------------------------------------------------------------------
    "gtc": _OFFERED,
    "ioc": _OFFERED,
    "fok": {**_OFFERED, "binance usdm": wire(KINDS)},
    "gtd": _OFFERED,
    "day": _OFFERED,
    # --- working orders ----------------------------------------------------------------------------
    "our id": {**_OFFERED, "paper": own(f"{ORDERS}::test_an_accepted_order_is_reported_as_it_was_asked")},
    "find": {
        **contract(f"{ORDERS}::test_a_market_order_fills_and_is_found_with_its_fills", binance_margin=SENT),
        **of_each(
            bybit="test_an_order_is_looked_for_by_our_id_in_three_places",
            coinbase="test_an_order_that_is_not_to_be_seen_is_never_said_not_to_exist",
            kraken="test_an_order_is_looked_for_in_both_lists_by_our_id",
            kucoin="test_an_order_that_is_nowhere_is_answered_with_nothing",
            okx="test_an_order_in_each_state_is_read",
        ),
    },
    "open": {
        **contract(f"{ORDERS}::test_open_orders_are_listed_until_they_are_over", binance_margin=ON_MARGIN),
        **of_five("test_paging.py::test_no_open_order_is_left_out"),
        **dict.fromkeys(("bybit", "kraken"), ASKED),
    },
    "closed": {
        **contract(
            f"{ACCOUNT}::test_what_ended_and_what_traded_can_be_asked_for_since_a_time", binance_margin=ON_MARGIN
        ),
        **of_five("test_paging.py::test_no_order_is_lost_between_two_pages"),
    },
    "fills": {
        **contract(
            f"{ACCOUNT}::test_what_ended_and_what_traded_can_be_asked_for_since_a_time", binance_margin=ON_MARGIN
        ),
        **of_five("test_paging.py::test_no_execution_is_lost_between_two_pages"),
    },
    "cancel": {
        **contract(f"{ORDERS}::test_a_cancelled_order_stays_known_and_never_fills", binance_margin=ON_MARGIN),
        **of_each(
            bybit="test_cancelling_and_changing",
            coinbase="test_cancelling_by_the_venues_id_found_in_the_lists_after_a_restart",
            kraken="test_cancelling_by_our_id",
            kucoin="test_cancelling_in_both_places",
            okx="test_cancelling_in_both_worlds",
        ),
    },
    "modify": {
        **contract(f"{ORDERS}::test_a_working_order_can_be_changed"),
        **of_each(
            bybit="test_cancelling_and_changing",
            kraken="test_changing_in_place",
            okx="test_changing_in_place_but_not_what_sleeps",
        ),
    },
    "move trigger": {
        **contract(f"{ORDERS}::test_a_trigger_can_be_moved"),
        **of_each(
            bybit_linear="test_the_trigger_of_a_sleeping_order_is_changed_in_place", kraken="test_changing_in_place"
        ),
    },
    "dead man": {
        "binance usdm": wire("brokers/ccxt/test_dead_man.py::test_it_is_set_when_we_connect_and_ended_when_we_leave"),
        **of_each(
            kraken="test_the_timer_is_set_when_we_come_and_ended_when_we_go",
            kucoin="test_the_timer_is_set_when_we_come_and_ended_when_we_go",
            okx="test_the_timer_is_set_when_we_come_and_ended_when_we_go",
        ),
    },
    # --- money -------------------------------------------------------------------------------------
    "account": {
        **contract(f"{ACCOUNT}::test_balances_and_positions_agree_with_the_fills", binance_margin=ON_MARGIN),
        **of_each(
            bybit="test_the_unified_wallet",
            coinbase="test_the_account_and_market_data",
            kraken="test_the_account",
            kucoin="test_the_account_and_market_data",
            okx="test_the_account_counts_cash_and_not_what_positions_have_gained",
        ),
    },
    "fees": {
        "paper": own(
            "brokers/test_costs_of_the_venue.py::"
            "test_fees_in_the_venues_own_currency_leave_the_units_alone_and_fall_back_when_it_is_used_up"
        ),
        "binance spot": wire("core/trading/test_on_binance.py::test_fees_in_the_coin_that_was_bought"),
        "binance margin": ON_MARGIN,
        "binance usdm": wire(f"{STREAMS}/test_futures_reports.py::test_an_order_is_told_with_its_fills"),
        **of_each(
            bybit_spot="test_fees_are_told_in_the_currency_that_they_were_paid_in",
            bybit_linear="test_perpetuals_are_asked_for_liquidations_too",
            coinbase="test_executions_cost_the_quote_currency_and_are_looked_up",
            kraken="test_an_order_is_looked_for_in_both_lists_by_our_id",
            kucoin="test_executions_are_told_without_our_id_and_looked_up",
            okx_spot="test_executions_name_their_orders",
            okx_swap="test_executions_of_swaps_cost_what_they_are_margined_with",
        ),
    },
    "shorting": {
        **contract(f"{ORDERS}::test_shorting_is_possible_exactly_when_declared", binance_margin=ON_MARGIN),
        **of_each(
            bybit_linear="test_the_unified_wallet",
            okx_swap="test_the_account_counts_cash_and_not_what_positions_have_gained",
        ),
    },
    "cash flows": {
        "paper": own(
            "brokers/test_costs_of_the_venue.py::test_deposits_and_withdrawals_are_flows_and_only_free_money_leaves"
        ),
        "binance": wire(f"{BINANCE}::test_what_came_and_went_without_a_trade"),
    },
    # --- streams -----------------------------------------------------------------------------------
    "reports": {
        "paper": own(f"{ACCOUNT}::test_every_reader_hears_of_every_fill_once"),
        "binance spot": wire(f"{STREAMS}/test_spot_reports.py::test_an_order_is_told_from_its_start_to_its_end"),
        "binance margin": ON_MARGIN,
        "binance usdm": wire(f"{STREAMS}/test_futures_reports.py::test_an_order_is_told_with_its_fills"),
        **of_five("test_private_streams.py::test_an_order_is_told_from_its_start_to_its_end"),
    },
    "quotes": {
        "paper": own(f"{ACCOUNT}::test_quotes_come_as_they_happen"),
        "binance": wire(f"{BINANCE}::test_quotes_are_pushed"),
        **of_five("test_public_streams.py::test_quotes_are_pushed"),
    },
    "bars": {
        "binance spot": wire(f"{STREAMS}/test_market_data.py::test_bars_are_told_once_when_they_have_ended"),
        **dict.fromkeys(("binance margin", "binance usdm"), wire(f"{BINANCE}::test_bars_and_books_are_pushed")),
        **of_five("test_public_streams.py::test_bars_are_told_when_they_have_ended"),
        "coinbase": payload("test_public_streams.py::test_bars_are_asked_for_where_there_is_no_stream_of_them"),
    },
    "books": {
        "binance spot": wire(f"{STREAMS}/test_market_data.py::test_books_follow_the_market"),
        **dict.fromkeys(("binance margin", "binance usdm"), wire(f"{BINANCE}::test_bars_and_books_are_pushed")),
        **of_five("test_public_streams.py::test_books_follow_what_is_pushed"),
        "bybit spot": payload("test_public_streams.py::test_books_are_asked_for_where_quotes_would_spoil_them"),
    },
    # --- prices that are asked for -----------------------------------------------------------------
    "quote": {
        **contract(
            f"{ACCOUNT}::test_the_quote_is_the_latest",
            binance_margin=wire(f"{BINANCE}::test_prices_that_are_asked_for"),
        ),
        **of_five("test_public_streams.py::test_quotes_come_by_asking_where_no_stream_opens"),
    },
    "bar history": {
        **contract(
            f"{ACCOUNT}::test_bars_are_complete_and_oldest_first",
            binance_margin=wire(f"{BINANCE}::test_prices_that_are_asked_for"),
        ),
        **dict.fromkeys(FIVE, ASKED),
    },
    "book": {
        **contract(
            f"{ACCOUNT}::test_an_order_book_is_sorted_and_no_deeper_than_asked",
            binance_margin=wire(f"{BINANCE}::test_prices_that_are_asked_for"),
        ),
        **dict.fromkeys(FIVE, ASKED),
    },
    # --- limits and errors -------------------------------------------------------------------------
    "outcomes": {
        "binance": wire(f"{BINANCE}::test_refused_not_sent_and_unknown_are_kept_apart"),
        **of_each(
            bybit="test_what_an_error_means_for_an_order",
            coinbase="test_what_a_refusal_means_for_an_order",
            kraken="test_what_an_error_means_for_an_order",
            kucoin="test_what_an_error_means_for_an_order",
            okx="test_what_an_error_means_for_an_order",
        ),
    },
    "headers": {"binance": wire(f"{BINANCE}::test_what_the_venue_says_is_used_up_is_believed")},
    "bans": {
        "binance": wire(f"{BINANCE}::test_a_ban_is_obeyed"),
        **of_five("test_keys.py::test_a_venue_that_is_asked_too_much_is_left_alone"),
    },
    "clock": {
        "binance": wire(f"{BINANCE}::test_requests_are_dated_by_the_venues_clock"),
        **of_five("test_keys.py::test_requests_are_dated_by_the_venues_clock"),
        "kraken": read("it wants a number that grows, and no date"),
    },
}


def claim_of(row: str, account: str) -> Claim | None:
    """The claim about a row for `okx swap`, or for all accounts at `okx`."""
    claims = CLAIMS.get(row, {})
    return claims.get(account) or claims.get(account.partition(" ")[0])
