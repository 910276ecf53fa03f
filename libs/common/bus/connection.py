"""How a process reaches Kafka: in plain where nobody else can listen, elsewhere by TLS with a certificate of its own.

The certificate says which service it is, and so which topics it may write and read (deploy/k8s/components/strimzi).
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer
from faststream.security import BaseSecurity
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.common.stopping import is_cancelled


class KafkaTls(BaseSettings):
    """Files in PEM (`PIXERA_KAFKA_TLS_…`). Without an authority the connection is plain."""

    model_config = SettingsConfigDict(env_prefix="PIXERA_KAFKA_TLS_", extra="ignore", frozen=True)

    ca: Path | None = Field(None, description="the authority that signs the brokers' certificates")
    certificate: Path | None = Field(None, description="the service's own, where brokers ask for one")
    key: Path | None = Field(None, description="the certificate's private key")

    def context(self) -> ssl.SSLContext | None:
        """Return what the connection is secured with, None where it is plain.

        Raises:   OSError: a file is not there or cannot be read; the process does not fall back to plain.
        """
        if self.ca is None:
            return None
        context = ssl.create_default_context(cafile=self.ca)
        if self.certificate is not None:
            context.load_cert_chain(self.certificate, self.key)
        return context


async def connection(bootstrap: str) -> dict[str, Any]:
    """Return the arguments by which any client of aiokafka connects; its files are read as they are now."""
    tls = KafkaTls()
    plain = {"bootstrap_servers": bootstrap}
    if tls.ca is None:
        return plain
    # A mounted volume may be slow, and the loop waits for none.
    context = await asyncio.to_thread(tls.context)
    return plain | {"security_protocol": "SSL", "ssl_context": context}


def security() -> BaseSecurity | None:
    """Return the same for FastStream's broker, made once while a process is put together and serves nobody."""
    context = KafkaTls().context()
    return None if context is None else BaseSecurity(ssl_context=context)


async def stop_client(client: AIOKafkaConsumer, stop: Callable[[], Awaitable[None]] | None = None) -> None:
    """Stop a client, connections and all.

    It raises what it cancelled itself, a fetch that waits to be tried again as they do while a broker is away
    (aiokafka#647), and has left its connections open then.

    Args:     stop: what stops it, where that is not the client's own `stop` alone.
    """
    try:
        await (stop or client.stop)()
    except asyncio.CancelledError:
        if is_cancelled():
            raise
        await client._client.close()  # noqa: SLF001 - nothing public closes them then
