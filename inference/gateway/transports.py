"""Every way to reach workers, put together: by URL, and by links of agents, here or elsewhere."""

from __future__ import annotations

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from inference.contracts.addresses import Reach, networks
from inference.contracts.entries import Worker
from inference.exchange.config import PlaneConfig
from inference.fleet.fleet import Fleet
from inference.fleet.http.client import HttpTransport
from inference.fleet.http.config import HttpConfig
from inference.fleet.ports import WorkerFailed
from inference.gateway.agents import Agents
from inference.gateway.hops import Hops


def fleet_of(config: PlaneConfig, agents: Agents, hops: Hops) -> Fleet:
    """Make all there are: the first that carries a worker's address has its requests."""
    by_url = HttpTransport(
        _Credentials(config.keyring),
        HttpConfig(
            connect_timeout_s=config.waits.connect_s,
            tenants_reach=Reach(networks(config.outgoing_allow)),
        ),
    )
    return Fleet([by_url, agents.transport(hops.transport)])


class _Credentials:
    """Opens what the control plane sealed. Empty stays empty."""

    def __init__(self, keyring: tuple[str, ...]) -> None:
        self._ring = MultiFernet([Fernet(key) for key in keyring]) if keyring else None

    def __call__(self, worker: Worker) -> bytes:
        if not worker.credential:
            return b""
        if self._ring is None:
            raise WorkerFailed("connect", "its credential can't be opened without a keyring")
        try:
            return self._ring.decrypt(worker.credential.encode())
        except InvalidToken as fault:
            raise WorkerFailed("connect", "no key of the keyring opens its credential") from fault
