"""The sandbox provider's settings. It shares two secrets with its merchant, as providers do."""

from pydantic import Field, SecretStr

from libs.common.settings import CommonSettings


class SandboxSettings(CommonSettings):
    """What the sandbox must be told, from the environment (`PIXERA_…`)."""

    billing_url: str = Field(description="where notices are delivered, without a final slash")
    pay_api_key: SecretStr = Field(description="what billing opens checkouts with")
    webhook_secret: SecretStr = Field(description="`whsec_` and base64; notices are signed with it")

    pay_duplicate_every: int = Field(
        2, ge=0, description="every n-th checkout tells its outcome twice; 0: none"
    )
    pay_reorder_every: int = Field(3, ge=0, description="every n-th tells pending after its outcome; 0: none")
    pay_settle_s: float = Field(0.2, ge=0, description="from pending to the outcome")
    pay_later_s: float = Field(
        5.0, ge=0, description="from pending to the outcome, where the buyer chose that"
    )

    pay_erasure_fails_every: int = Field(
        0, ge=0, description="every n-th request to erase is refused for a moment; 0: none"
    )
    pay_erasure_lost_every: int = Field(
        0, ge=0, description="every n-th erasure is done, and its answer lost; 0: none"
    )

    pay_delivery_timeout_s: float = Field(5.0, gt=0, description="for one try to deliver a notice")
    pay_first_retry_s: float = Field(0.25, gt=0, description="wait after the first failed try; it doubles")
    pay_longest_retry_s: float = Field(30.0, gt=0, description="the longest of these waits")
