"""TLS in front of a server that was built without it: what a client sees of an encrypted connection."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from pathlib import Path

from front import Front

_SSL_REQUEST_BYTES = 8


class TlsFront(Front):
    """Speaks TLS with clients, and passes all on to the Unix socket ``server``. ``folder``: for its
    certificate. Needs the program ``openssl``."""

    def __init__(self, server: str, folder: Path) -> None:
        super().__init__(sslmode="require")
        self._server = server
        key, certificate = folder / "key.pem", folder / "certificate.pem"
        made = ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=localhost"]
        subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(_SSL_REQUEST_BYTES)
        writer.write(b"S")
        await writer.drain()
        try:
            await writer.start_tls(self._context)
        except OSError:  # the client does not trust the certificate
            writer.transport.abort()
            return
        server_reader, server_writer = await asyncio.open_unix_connection(self._server)
        try:
            await asyncio.gather(_pass(reader, server_writer), _pass(server_reader, writer))
        finally:
            writer.transport.abort()
            server_writer.transport.abort()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.transport.abort()
