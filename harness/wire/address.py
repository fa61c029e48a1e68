"""Where a server is, and how a client reaches the proxy instead of it."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from harness.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """``host``: a folder (its name begins with `/`) with a Unix socket, or a name or number on the network."""

    host: str
    port: int

    @property
    def socket(self) -> str | None:
        """The path of the Unix socket; None on the network."""
        return f"{self.host}/.s.PGSQL.{self.port}" if self.host.startswith("/") else None


def server_address(conninfo: str) -> Address:
    """Where ``conninfo`` leads. Raises `UsageError` if it names no host, or several; the text holds no password."""
    try:
        given = conninfo_to_dict(conninfo)
        host = str(given.get("hostaddr") or given.get("host") or "")
        port = int(given.get("port") or 5432)
    except (psycopg.Error, ValueError):
        raise UsageError("the connection string of the server is malformed") from None
    if not host or "," in host:
        raise UsageError("the connection string of the server must name one host")
    if host.startswith("@"):
        raise UsageError("a server on an abstract Unix socket cannot be reached")
    return Address(host=host, port=port)


def through(conninfo: str, address: Address) -> str:
    """``conninfo`` with the proxy's address in place of the server's. The proxy speaks no TLS, and says so here."""
    return make_conninfo(
        conninfo, host=address.host, port=address.port, hostaddr=None, sslmode="disable", gssencmode="disable"
    )
