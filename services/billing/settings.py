"""Billing's settings, beside those of every process."""

from pydantic import Field, SecretStr

from libs.common.settings import CommonSettings


class BillingSettings(CommonSettings):
    """What billing must be told, from the environment (`PIXERA_…`)."""

    pay_url: str = Field(description="where the payment provider's API is reached, without a final slash")
    pay_api_key: SecretStr = Field(description="lets billing open checkouts at the provider")
    webhook_secret: SecretStr = Field(description="`whsec_` and base64: the provider signs notices with it")
    pay_timeout_s: float = Field(3.0, gt=0, description="for one call; at most three are made")

    welcome_credits: int = Field(10, ge=0, description="given once, when the e-mail address is verified")
    ledger_check_s: float = Field(60.0, gt=0, description="how often the books are added up")
