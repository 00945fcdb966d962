"""Addresses that wish us ill, in every way they are written: both planes are held to them."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

LookUp = Callable[..., list[tuple[Any, ...]]]

HOSTILE: list[tuple[str, str]] = [
    ("127.0.0.1", "own machine"),
    ("127.255.255.254", "own machine"),
    ("::1", "own machine"),
    ("0.0.0.0", "no address"),  # noqa: S104 - to be refused
    ("0.1.2.3", "reserved"),
    ("::", "no address"),
    ("10.0.0.1", "private"),
    ("172.16.0.1", "private"),
    ("172.31.255.255", "private"),
    ("192.168.1.1", "private"),
    ("fd00:ec2::254", "private"),
    ("fec0::1", "private"),
    ("100.64.0.1", "carrier"),
    ("100.100.100.200", "carrier"),
    ("169.254.169.254", "secrets"),
    ("fe80::1", "link-local"),
    ("192.0.0.192", "reserved"),
    ("192.0.2.1", "examples"),
    ("2001:db8::1", "examples"),
    ("3fff::1", "examples"),
    ("198.19.0.1", "measurements"),
    ("224.0.0.1", "many at once"),
    ("239.255.255.250", "many at once"),
    ("ff02::1", "many at once"),
    ("240.0.0.1", "reserved"),
    ("255.255.255.255", "everyone"),
    ("2001:2::1", "reserved"),
    ("100::1", "reserved"),
    ("4000::1", "reserved"),
    ("::ffff:127.0.0.1", "own machine"),
    ("::ffff:169.254.169.254", "secrets"),
    ("::127.0.0.1", "reserved"),
    ("64:ff9b::10.0.0.1", "private"),
    ("64:ff9b::a9fe:a9fe", "secrets"),
    ("64:ff9b:1::8.8.8.8", "reserved"),
    ("2002:7f00:1::", "own machine"),
    ("2002:c0a8:101::1", "private"),
    # Teredo: a server's address, and a client's with every bit turned over.
    ("2001:0:7f00:1::f7f7:f7f7", "own machine"),
    ("2001:0:808:808::80ff:fffe", "own machine"),
]
"""An address, and a word of what is wrong with it."""

GOOD = [
    "8.8.8.8",
    "172.32.0.1",
    "172.15.255.255",
    "100.63.255.255",
    "100.128.0.1",
    "169.253.255.255",
    "223.255.255.255",
    "2606:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2002:808:808::1",
]
"""Public ones."""

NAMES_OF_THIS_MACHINE = [
    "127.0.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "127.1",
    "0",
    "localhost",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "169.254.169.254",
    "2852039166",
    "[fe80::1%lo]",
    "１２７.0.0.1",
]
"""Hosts in a URL that lead here, or to what is next to here."""


def answering(*answers: list[str]) -> tuple[LookUp, list[str]]:
    """Return a look-up that finds these addresses, another row each time, and who was asked for."""
    asked: list[str] = []

    def look_up(host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        asked.append(host)
        return [_row(address, port) for address in answers[min(len(asked), len(answers)) - 1]]

    return look_up, asked


def _row(address: str, port: int) -> tuple[Any, ...]:
    is_newer = ":" in address
    family = socket.AF_INET6 if is_newer else socket.AF_INET
    whole = (address, port, 0, 0) if is_newer else (address, port)
    return (family, socket.SOCK_STREAM, 6, "", whole)
