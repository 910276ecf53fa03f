"""Settings that every process has; each service adds its own in its `settings.py`."""

from enum import StrEnum
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Role(StrEnum):
    """What a process does: answer HTTP, work on events, or both; or make what such processes need, and end."""

    API = "api"
    WORKER = "worker"
    ALL = "all"
    PREPARE = "prepare"

    @property
    def serves(self) -> bool:
        """Tell whether the process answers the service's HTTP routes."""
        return self in {Role.API, Role.ALL}

    @property
    def works(self) -> bool:
        """Tell whether the process relays and consumes events."""
        return self in {Role.WORKER, Role.ALL}


class MongoDriver(StrEnum):
    """Which driver speaks to MongoDB (ADR 0002)."""

    MOTOR = "motor"
    PYMONGO = "pymongo"


class CommonSettings(BaseSettings):
    """What every process must be told, from the environment (`PIXERA_…`)."""

    model_config = SettingsConfigDict(env_prefix="PIXERA_", extra="ignore", frozen=True)

    env: str = Field("local", description="what the installation is called; no behaviour depends on it")
    log_level: str = Field("INFO", description="the least that is logged")
    otlp_endpoint: str = Field(
        "",
        description="the collector of traces (OTLP over HTTP), such as http://collector:4318; without one, no traces",
    )
    traces_ratio: float = Field(1.0, ge=0, le=1, description="how many of the traces are recorded")

    kafka_bootstrap: str = Field(description="host:port of one or more brokers, separated by commas")

    mongo_uri: SecretStr = Field(description="must name a replica set: outbox and inbox are transactions")
    mongo_driver: MongoDriver = Field(
        MongoDriver.MOTOR, description="which driver speaks to MongoDB (ADR 0002)"
    )
    mongo_database_prefix: str = Field("pixera_", description="each service's database is this and its name")

    vault_master_key: SecretStr | None = Field(
        None,
        description="for services that seal: base64 of the 96 bytes that wrap people's keys, or the ARN of a key of "
        "AWS KMS that does (ADR 0047); several, separated by commas, while one takes over from another: the first "
        "wraps, all unwrap",
    )
    kms_access_key_id: SecretStr | None = Field(
        None,
        description="where a KMS keeps the master key: who asks it, with leave for kms:Encrypt and kms:Decrypt",
    )
    kms_secret_access_key: SecretStr | None = Field(None, description="what proves who asks the KMS")
    kms_session_token: SecretStr | None = Field(
        None, description="goes with credentials for the KMS that are temporary"
    )
    kms_endpoint: str = Field(
        "", description="host, or host:port, of the KMS; without one, AWS' own in the ARN's region"
    )
    kms_ca_file: str = Field(
        "", description="CA by which the KMS is believed, in PEM; without one, the system's"
    )
    kms_timeout_s: float = Field(
        2.0, gt=0, le=30, description="longest that one attempt to reach the KMS may take"
    )
    vault_key_cache_s: float = Field(
        2.0, gt=0, le=60, description="longest that a process can use a key after it was destroyed"
    )
    blind_index_key: SecretStr | None = Field(
        None,
        description="for services that look for people by what is sealed, such as an address: keys the hashes that "
        "they are found by (HMAC). A change would need every hash to be made anew: keep it",
    )
    vault_threads: int = Field(2, ge=1, description="most calls to the vault at once in a process")

    s3_endpoint: str = Field(description="where the processes reach the object store")
    s3_public_endpoint: str = Field(description="where people reach it; presigned URLs are signed for this")
    s3_access_key: SecretStr | None = Field(None, description="for services that keep or look at objects")
    s3_secret_key: SecretStr | None = Field(None, description="for services that keep or look at objects")
    s3_region: str = Field("us-east-1", description="the region that requests are signed for")

    public_url: str = Field("http://127.0.0.1:8080", description="the gateway, as people see it")
    jwks_url: str = Field("", description="auth's published keys")
    jwks: str = Field("", description="the keys given outright as JSON, instead of fetched")
    token_issuer: str = Field("pixera", description="who issues access tokens, as they say")
    token_audience: str = Field("pixera-api", description="for whom, as they say")
    access_token_ttl_s: int = Field(300, description="how long an access token is good")
    recent_sign_in_s: int = Field(
        600, gt=0, description="a sign-in proves for so long who asks for everything of a person"
    )
    client_ip_header: Literal["x-forwarded-for", "x-envoy-external-address"] = Field(
        "x-forwarded-for",
        description="where the gateway says who called; the last hop counts. Behind another proxy: the second",
    )

    pseudonym_key: SecretStr = Field(description="makes opaque object prefixes from subject ids (HMAC)")
