"""What can go wrong between us and a venue.

::

    BrokerError
    ├── ConfigurationError     the settings of a broker are wrong: it cannot be built
    ├── Rejected               definitely refused; nothing happened at the venue        (code, reason)
    │   ├── OrderNotFound      the venue knows no such order
    │   └── NotSupported       the venue has no such feature; see Capabilities
    ├── Unavailable            definitely not sent, or a query that failed; safe to ask again
    └── Uncertain              sent, outcome unknown: ask with our own id, never send again

A call to a venue has three outcomes: it returns (done), it raises `Rejected` or `Unavailable` (definitely
not done), or it raises `Uncertain`. An adapter that cannot tell raises `Uncertain`. A failed query raises;
it is never an empty answer.
"""

from __future__ import annotations


class BrokerError(Exception):
    """Anything a broker can raise."""


class ConfigurationError(BrokerError):
    """The settings of a broker are wrong; the message says which and how to mend them."""


class Rejected(BrokerError):
    """The venue, or a rule that it publishes, definitely refused: nothing happened.

    `code` is a stable upper-case word (`LOT_SIZE`, `INSUFFICIENT_FUNDS`); `reason` a sentence for a person.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


class OrderNotFound(Rejected):
    """The venue knows no order with this id."""

    def __init__(self, order: str) -> None:
        super().__init__("ORDER_NOT_FOUND", f"the venue knows no order {order}")


class NotSupported(Rejected):
    """The venue cannot do this; `AbstractBroker.capabilities` says so beforehand."""

    def __init__(self, feature: str) -> None:
        super().__init__("NOT_SUPPORTED", f"this broker does not support {feature}")


class Unavailable(BrokerError):
    """The request was definitely not executed (not connected, refused at the door) or a query failed."""


class Uncertain(BrokerError):
    """The request may have been executed: resolve with `AbstractBroker.find_order`, never send again."""
