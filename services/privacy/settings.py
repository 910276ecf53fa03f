"""What privacy must be told besides the common settings."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field, SecretStr

from libs.common.mailing.settings import MailSettings
from services.privacy.protocol import Policy

DATA_MAP = Path(__file__).parents[2] / "contracts" / "data-map.json"


class PrivacySettings(MailSettings):
    """Privacy's settings, from the environment (`PIXERA_…`)."""

    certificate_signing_key: SecretStr = Field(
        description="PEM of the Ed25519 private key that signs certificates"
    )
    certificate_previous_keys: str = Field(
        "",
        description="PEMs of the public keys before it, for as long as anybody has a certificate of theirs",
    )
    case_token_key: SecretStr = Field(description="checks case tokens; auth signs them with the same")
    data_map: Path = Field(DATA_MAP, description="the generated map of what personal data is where")

    erasure_silence_s: float = Field(
        30.0, description="first wait for a holder's answer, doubled up to 15 min"
    )
    erasure_setback_s: float = Field(2.0, description="first wait after a shortfall, doubled up to 5 min")
    erasure_setbacks: int = Field(6, description="shortfalls and findings before people are called")
    erasure_scan_timeout_s: float = Field(60.0, description="a scan that takes longer is started anew")
    erasure_scan_lease_s: float = Field(5.0, description="a scan whose process died is taken over after this")
    erasure_tick_s: float = Field(1.0, description="how often due cases are looked for")

    audit_checkpoint_every_s: float = Field(
        3_600.0, description="a checkpoint, where anything came since the last"
    )
    audit_check_every_s: float = Field(3_600.0, description="how often the whole ledger is checked")

    export_days: int = Field(7, ge=1, le=28, description="how long the archive of an export is there")
    export_every_h: float = Field(
        24.0, description="a person who asks in the account waits so long for another"
    )
    export_sweep_every_s: float = Field(
        600.0, description="how often archives are removed whose time is over"
    )

    challenge_cost: int = Field(
        1_000, ge=1, description="iterations of one try at a contact form's proof of work"
    )
    challenge_rounds: int = Field(
        1_000, ge=1, description="the least of such tries; the most is twice as many"
    )
    requests_every_s: float = Field(30.0, gt=0, description="how often due dates of requests are looked at")

    @property
    def policy(self) -> Policy:
        """Return how patient the saga is."""
        return Policy(
            silence=timedelta(seconds=self.erasure_silence_s),
            setback=timedelta(seconds=self.erasure_setback_s),
            setbacks=self.erasure_setbacks,
            scan_timeout=timedelta(seconds=self.erasure_scan_timeout_s),
        )
