"""Our order ids at a venue that cannot take all of them as they are.

What does not fit goes as a UUID that is computed from our id: the same one after a restart, so an order can be asked
for by our id without having kept anything. The way back cannot be computed; it is known of every id that has passed
here. Whoever looks up the orders that were open before a restart (as recovery does, one by one) teaches it anew.
"""

from __future__ import annotations

import re
from uuid import NAMESPACE_OID, UUID, uuid5

from brokers.order import ClientOrderId

_NAMESPACE = uuid5(NAMESPACE_OID, "quarterdeck order")
_OURS = re.compile(r"[A-Za-z0-9_-]{1,32}\Z")


class Naming:
    """`fits` is what a venue takes as it is; `dashes`: whether a UUID is written with them there."""

    def __init__(self, fits: str, *, dashes: bool) -> None:
        self._fits = re.compile(rf"(?:{fits})\Z")
        self._dashes = dashes
        self._ours: dict[str, ClientOrderId] = {}

    def wire(self, order: ClientOrderId) -> str:
        """Our id as the venue gets it."""
        if self._fits.match(order) and not self.is_derived(order):
            return str(order)
        derived = uuid5(_NAMESPACE, order)
        wire = str(derived) if self._dashes else derived.hex
        self._ours[wire] = order
        return wire

    def ours(self, wire: str) -> ClientOrderId:
        """Our id of what a venue tells; empty if it cannot be one, or stands for one that has not passed here."""
        known = self._ours.get(wire)
        if known is not None:
            return known
        if self.is_derived(wire) or not _OURS.match(wire) or not self._fits.match(wire):
            return ClientOrderId("")
        return ClientOrderId(wire)

    def is_derived(self, wire: str) -> bool:
        """Whether `wire` looks like an id of this kind; it may be one of ours from another life."""
        try:
            found = UUID(wire)
        except ValueError:
            return False
        return found.version == uuid5(_NAMESPACE, "").version and wire == (str(found) if self._dashes else found.hex)
