"""A network of its own for each agent: it can dial out to one address, and nobody can dial in."""

from __future__ import annotations

import os
import shutil
import subprocess


class NoWall(Exception):
    """Why there is none."""


def _ip(*said: str) -> None:
    found = shutil.which("ip")
    if found is None:
        raise NoWall("there is no ip(8) here")
    done = subprocess.run([found, *said], capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    if done.returncode:
        raise NoWall(done.stderr.strip() or f"ip {said[0]} failed")


class Wall:
    """A namespace whose only way out is a cable to the platform's address."""

    def __init__(self, number: int) -> None:
        if os.geteuid() != 0:
            raise NoWall("only root may make network namespaces")
        own = os.getpid() % 60_000
        self.name = f"xt-chaos-{own}-{number}"
        self._cable = f"xt{own}p{number}"
        network = f"10.{213 + number}.{own >> 8}.{own & 0xFC}"
        front, _, last = network.rpartition(".")
        self.outside, self.inside = f"{front}.{int(last) + 1}", f"{front}.{int(last) + 2}"
        try:
            self._build()
        except NoWall:
            self.remove()
            raise

    def _build(self) -> None:
        within = ("netns", "exec", self.name, "ip")
        _ip("netns", "add", self.name)
        _ip("link", "add", self._cable, "type", "veth", "peer", "name", "out", "netns", self.name)
        _ip("addr", "add", f"{self.outside}/30", "dev", self._cable)
        _ip("link", "set", self._cable, "up")
        _ip(*within, "addr", "add", f"{self.inside}/30", "dev", "out")
        _ip(*within, "link", "set", "out", "up")
        _ip(*within, "link", "set", "lo", "up")

    def argv(self, *said: str) -> list[str]:
        """Return a command that runs behind the wall."""
        return [shutil.which("ip") or "ip", "netns", "exec", self.name, *said]

    def pull(self) -> None:
        """Pull the cable: every packet is lost, and no end is told."""
        _ip("link", "set", self._cable, "down")

    def plug(self) -> None:
        """Plug it in again."""
        _ip("link", "set", self._cable, "up")

    def remove(self) -> None:
        """Take it down; what is not there is not missed."""
        for said in (("link", "del", self._cable), ("netns", "del", self.name)):
            try:
                _ip(*said)
            except NoWall:
                continue
