"""The states of an order and the steps between them, with the ugly truths in the table.

::

    INTENDED ─ SUBMITTING ─┬─ WORKING ─ PARTIALLY_FILLED ─┬─ FILLED
                           ├─ REJECTED  NOT_SENT           ├─ CANCELLED  EXPIRED
                           └─ UNCERTAIN ─ NOT_PLACED       └─ (MODIFYING, CANCELLING on the way)
"""

from __future__ import annotations

from enum import StrEnum

from brokers.order import VenueOrderState


class OrderState(StrEnum):
    """Where an order stands, as far as we know."""

    INTENDED = "intended"  # approved, not yet stored as sent
    SUBMITTING = "submitting"  # stored; may or may not have reached the venue
    UNCERTAIN = "uncertain"  # the venue did not say: ask, never send again
    WORKING = "working"
    PARTIALLY_FILLED = "partially_filled"
    MODIFYING = "modifying"  # still fillable, on the old terms or the new ones: it counts with the larger size
    CANCELLING = "cancelling"  # still fillable
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"  # the venue definitely refused
    NOT_SENT = "not_sent"  # it definitely never left
    NOT_PLACED = "not_placed"  # presumed: the venue knows nothing of it; believed again if it turns up

    @property
    def is_open(self) -> bool:
        """Whether it may still fill and therefore counts in every limit."""
        return self in _OPEN

    @property
    def is_in_doubt(self) -> bool:
        """Whether the venue owes us the answer that says if the order exists."""
        return self is S.UNCERTAIN


S = OrderState
_OPEN = frozenset({S.INTENDED, S.SUBMITTING, S.UNCERTAIN, S.WORKING, S.PARTIALLY_FILLED, S.MODIFYING, S.CANCELLING})
_VENUE_SAYS = frozenset({S.WORKING, S.PARTIALLY_FILLED, S.FILLED, S.CANCELLED, S.EXPIRED, S.REJECTED})

TRANSITIONS: dict[OrderState, frozenset[OrderState]] = {
    S.INTENDED: frozenset({S.SUBMITTING, S.NOT_SENT}),
    # A fill may overtake the acknowledgement, so every word of the venue is possible here.
    S.SUBMITTING: _VENUE_SAYS | {S.UNCERTAIN, S.NOT_SENT, S.NOT_PLACED},
    S.UNCERTAIN: _VENUE_SAYS | {S.NOT_PLACED, S.CANCELLING},
    # Acknowledged orders have been lost by venues: NOT_PLACED is possible even here.
    S.WORKING: _VENUE_SAYS | {S.MODIFYING, S.CANCELLING, S.NOT_PLACED},
    # A venue may still refuse the rest of an order that has filled in part. A bust may take all its fills away.
    S.PARTIALLY_FILLED: _VENUE_SAYS | {S.MODIFYING, S.CANCELLING},
    # A change may be refused (back to work), get lost (uncertain: it stays here and is asked for), or come too
    # late (filled, cancelled). It never becomes a second order.
    S.MODIFYING: _VENUE_SAYS | {S.MODIFYING, S.CANCELLING, S.NOT_PLACED},
    # A cancel may be refused (back to work), come too late (filled), or meet an order that was in doubt.
    S.CANCELLING: _VENUE_SAYS | {S.CANCELLING, S.NOT_PLACED},
    # Late fills are real: an order that we believe over may still turn out filled. "Working" is then an old word,
    # unless the venue's own list of open orders says it: see `REOPENS`.
    S.CANCELLED: frozenset({S.CANCELLED, S.FILLED}),
    S.EXPIRED: frozenset({S.EXPIRED, S.FILLED}),
    S.REJECTED: frozenset({S.REJECTED, S.FILLED}),
    # We were sure that it is not there. If the venue says otherwise, the venue is right.
    S.NOT_SENT: frozenset({S.NOT_SENT, *_VENUE_SAYS}),
    S.NOT_PLACED: frozenset({S.NOT_PLACED, *_VENUE_SAYS}),
    S.FILLED: frozenset({S.FILLED}),
}

# What a zombie becomes: an order that we believe over and that the venue, asked now, still works.
REOPENS = frozenset({S.WORKING, S.PARTIALLY_FILLED})

_OF_VENUE = {
    VenueOrderState.WORKING: S.WORKING,
    VenueOrderState.PARTIALLY_FILLED: S.PARTIALLY_FILLED,
    VenueOrderState.FILLED: S.FILLED,
    VenueOrderState.CANCELLED: S.CANCELLED,
    VenueOrderState.EXPIRED: S.EXPIRED,
    VenueOrderState.REJECTED: S.REJECTED,
}


def of_venue(state: VenueOrderState) -> OrderState:
    """The venue's word in ours."""
    return _OF_VENUE[state]


def after_report(now: OrderState, venue: VenueOrderState, *, complete: bool = True) -> OrderState:
    """Our state after the venue's word; a word that is older than what we know changes nothing.

    While CANCELLING or MODIFYING, "working" only repeats what we knew when we asked: our wish is on its way. An
    order is not over before all its fills are here (`complete`): until then its missing units would be ordered
    again.
    """
    said = of_venue(venue)
    if not complete and not said.is_open:
        said = S.PARTIALLY_FILLED
    if now is S.PARTIALLY_FILLED and said is S.WORKING:
        return now
    if now in (S.CANCELLING, S.MODIFYING) and said.is_open:
        return now
    return said if said in TRANSITIONS[now] else now
