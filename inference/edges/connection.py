"""A caller's connection, as what is made for its requests sees it."""

from __future__ import annotations

from abc import abstractmethod

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from inference.edges.context import EdgeContext, Swept
from inference.edges.flow import Flow
from inference.edges.head_cache import HeadCache
from inference.http.lines import Headers


class CallerConnection(HttpToolsProtocol, Swept):
    """uvicorn's connection with what we add to it. What it does with bytes is in ``protocol``."""

    context: EdgeContext
    pace: Flow
    memory: HeadCache
    declined: bytes
    """A head like the last, without its offer (``offers``)."""
    welcome: bytes
    """The head that accepts an agent's link, if this connection is to be one."""

    @abstractmethod
    def hang_up(self) -> None:
        """Close, after what was written has arrived."""

    @abstractmethod
    def on_answered(self) -> None:
        """Go on with the next request: an answer is complete."""

    def date_line(self) -> bytes:
        """Return the header lines that every answer of this server has."""
        return self.context.date_line(self.server_state.default_headers)

    def caller_address(self, headers: Headers) -> str:
        """Return who is calling, through however many proxies of ours."""
        peer = self.client[0] if self.client else ""
        return self.context.proxies.caller_of(peer, headers)
