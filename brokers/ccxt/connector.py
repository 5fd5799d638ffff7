"""Makes the connections of a session, and leaves in the trail of a call whether there was one yet.

What was still looking for a name, or shaking hands, has not been sent, however it ended. Where nobody is heard of here
a request counts as sent.
"""

from __future__ import annotations

import aiohttp
from aiohttp.client_reqrep import ClientRequest, ClientResponse
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from brokers.ccxt.wiretap import trail_of_the_call


class Connector(aiohttp.TCPConnector):
    """Aiohttp's own, that tells."""

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 (aiohttp's)
    ) -> Connection:
        """A connection for one request, kept or new."""
        trail = trail_of_the_call()
        if trail is None:
            return await super().connect(req, traces, timeout)
        trail.connects()
        found = await super().connect(req, traces, timeout)
        trail.stands()
        return found


async def stay(request: ClientRequest, send: aiohttp.ClientHandlerType) -> ClientResponse:
    """Follow nobody elsewhere: our key goes to the venue alone, and an order to one address, once."""
    answer = await send(request)
    if 300 <= answer.status < 400:
        answer.close()
        raise aiohttp.ClientError("the venue says that it is elsewhere")
    return answer
