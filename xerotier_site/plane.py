"""The data plane alone, or in front of Django: built here from the environment, no Django in it.

``xerotier_site.plane:application`` serves inference, its probes and its metrics, and 404 to
everything else. ``xerotier_site.asgi`` mounts the same in front of the control plane.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from inference.contracts.origins import is_origin
from inference.edges.asgi import AsgiEdge, Receive, Scope, Send, raw_target
from inference.edges.forwarded import Proxies
from inference.exchange.config import Bounds, PlaneConfig, Waits
from inference.gate.address import is_plane_target
from inference.gateway.gateway import Gateway
from inference.gateway.ops import PATHS, Check, Ops
from inference.http.problems import Refused
from xerotier_site import env, reach
from xerotier_site.front import Forward, answer_refusal
from xerotier_site.limits import BodyLimit

PEPPERS_MAX = 2
"""A key is tried with the newest pepper and the one before; more would cost every typo."""

UNSUITED = (
    "Inference is not served by Daphne, which neither waits for slow callers nor tells when "
    "one leaves. Start the platform with `make run` or `python -m xerotier_site.server`."
)

HERE = "local"
EVERYWHERE = ("0.0.0.0", "[::]", "*")  # noqa: S104 - refused
PORT_MAX = 65535

Application = Callable[[Any, Any, Any], Awaitable[None]]
"""Another ASGI application; each framework has its own types for the same three things."""


def read_config() -> PlaneConfig:
    """Read the plane's configuration from the environment."""
    peppers = env.names("XEROTIER_PEPPERS", ["dev:insecure-development-pepper"])
    return PlaneConfig(
        valkey_url=env.valkey(_valkey_url(), db=0),
        peppers=tuple(pepper.partition(":")[2].encode() for pepper in peppers[:PEPPERS_MAX]),
        keyring=tuple(env.keyring("XEROTIER_KEYRING")),
        trusted_proxies=tuple(env.networks("XEROTIER_TRUSTED_PROXIES")),
        outgoing_allow=tuple(env.networks("XEROTIER_OUTGOING_ALLOW")),
        origins=_origins(),
        allowed_hosts=tuple(env.names("XEROTIER_HOSTS", ["localhost", "127.0.0.1", "[::1]"])),
        outage_s=float(env.number("XEROTIER_OUTAGE_S", 600)),
        journal_dir=env.text("XEROTIER_JOURNAL_DIR", f"{env.text('XEROTIER_HOME', 'var')}/journal"),
        metrics_dir=env.text("XEROTIER_METRICS_DIR", ""),
        metrics_allow=tuple(env.networks("XEROTIER_METRICS_ALLOW", ["127.0.0.0/8", "::1/128"])),
        metrics_token=env.text("XEROTIER_METRICS_TOKEN", "").encode(),
        hop=_hop(),
        home=env.text("XEROTIER_HOME", "var"),
        fast_edge=env.choice("XEROTIER_EDGE", ["fast", "asgi"], "fast") == "fast",
        waits=Waits(
            drain_delay_s=float(env.number("XEROTIER_DRAIN_DELAY_S", 3)),
            grace_s=float(env.number("XEROTIER_GRACE_S", 120)),
            probe_every_s=float(env.number("XEROTIER_PROBE_S", 5)),
        ),
        bounds=Bounds(
            body_bytes=env.number("XEROTIER_BODY_BYTES", 32 * 1024 * 1024, least=1),
            connections=env.number("XEROTIER_CONNECTIONS", 20_000, least=1),
        ),
    )


def _valkey_url() -> str:
    shared = env.url("VALKEY_URL", env.VALKEYS, "redis://localhost:6379")
    return env.url("XEROTIER_PLANE_VALKEY_URL", env.VALKEYS, shared)


def _origins() -> tuple[str, ...]:
    found = env.names("XEROTIER_CORS_ORIGINS", [])
    for origin in found:
        if not is_origin(origin):
            wrong = f"{origin!r} is no origin such as https://app.example.org"
            env.mistakes.append(f"XEROTIER_CORS_ORIGINS: {wrong}")
    return tuple(found)


def _hop() -> str:
    said = env.text("XEROTIER_HOP", HERE)
    if said in (HERE, "off"):
        return HERE if said == HERE else ""
    host, colon, port = said.rpartition(":")
    is_port = port.isdecimal() and int(port) <= PORT_MAX
    if not (colon and is_port and host) or host in EVERYWHERE:
        wrong = f"{said!r} is not local, off or an address where other gateways reach this machine"
        env.mistakes.append(f"XEROTIER_HOP: {wrong}, like 10.0.0.5:9400")
        return ""
    return said


class PlaneMount:
    """The plane as an ASGI application that is built when the event loop is there.

    Servers with a lifespan start and stop it; without one the first request starts it.
    ``behind`` gets what is not the plane's; ``checks`` are what else has to be ready.
    """

    def __init__(
        self,
        config: PlaneConfig,
        behind: Application | None = None,
        checks: Sequence[tuple[str, Check]] = (),
    ) -> None:
        self.config = config
        self.gateway: Gateway | None = None
        self._behind = behind
        self._checks = checks
        self._starting: asyncio.Lock | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve inference and probes here; pass on the rest."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http" and is_plane_target(raw_target(scope)):
            await self._infer(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] in PATHS:
            await Ops(await self.started(), self._checks)(scope, receive, send)
        elif self._behind is not None:
            await self._behind(scope, receive, send)
        else:
            await answer_refusal(send, Refused("endpoint_not_found", "There is nothing here."))

    async def started(self) -> Gateway:
        """Return the running gateway; start it if nobody did."""
        if self._starting is None:
            self._starting = asyncio.Lock()
        async with self._starting:
            if self.gateway is None:
                gateway = Gateway(self.config)
                await gateway.start()
                self.gateway = gateway
        return self.gateway

    async def stop(self) -> None:
        """Stop the gateway, if it runs."""
        gateway, self.gateway = self.gateway, None
        if gateway is not None:
            await gateway.stop()

    async def _infer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _is_daphne(send):
            await answer_refusal(send, Refused("service_unavailable", UNSUITED))
            return
        gateway = self.gateway or await self.started()
        edge = AsgiEdge(gateway.plane, Proxies(self.config.trusted_proxies))
        await edge(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self.started()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await self.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return


def _is_daphne(send: Send) -> bool:
    # Daphne hands out a partial of its own method; it says who it is nowhere else.
    owner = getattr(getattr(send, "func", None), "__self__", None)
    return type(owner).__module__.startswith("daphne")


def refuse_insecure() -> None:
    """Stop a start of the plane alone on settings that are only right for development.

    What the platform's own check (``checks``) says of the plane's settings, without Django.
    Raises ``BadSettings``, which ends the process.
    """
    config, wrong = read_config(), list(env.mistakes)
    if env.choice("XEROTIER_ENV", env.ENVIRONMENTS, "production") == "production":
        wrong += _faults(config)
    if wrong:
        raise env.BadSettings(wrong)


def _faults(config: PlaneConfig) -> Iterator[str]:
    if not config.peppers or any(b"insecure" in pepper for pepper in config.peppers):
        yield "XEROTIER_PEPPERS is the default. Set name:value with a random value."
    if not config.keyring:
        yield "XEROTIER_KEYRING is empty. Set a Fernet key: secrets at rest need it."
    if "*" in config.allowed_hosts:
        yield "XEROTIER_HOSTS allows every host. List the names this platform answers to."
    yield from map(" ".join, reach.faults_in_proxies(config.trusted_proxies))
    yield from map(" ".join, reach.faults_in_metrics(config.metrics_allow, config.metrics_token))


def before(control_socket: str) -> PlaneMount:
    """Return the plane in front of a control plane that listens at a unix socket.

    Raises ``BadSettings`` as the plane alone does.
    """
    refuse_insecure()
    forward = Forward(control_socket)
    # Counted here, too: a control plane that hangs up on a long body is not heard saying why.
    behind = BodyLimit(forward)
    return PlaneMount(read_config(), behind, checks=[("control", forward.check())])


def __getattr__(name: str) -> PlaneMount:
    """Make ``application`` when it is asked for: who only mounts the plane checks by himself."""
    if name not in ("application", "mount"):
        raise AttributeError(name)
    refuse_insecure()
    globals()["application"] = globals()["mount"] = PlaneMount(read_config())
    made: PlaneMount = globals()["mount"]
    return made
