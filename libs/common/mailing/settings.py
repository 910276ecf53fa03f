"""What a service must be told that mails."""

from pydantic import Field, SecretStr

from libs.common.settings import CommonSettings


class MailSettings(CommonSettings):
    """Where the mail server is, and in whose name mails are sent (`PIXERA_…`)."""

    smtp_host: str = Field("127.0.0.1", description="the mail server")
    smtp_port: int = Field(1025, description="its port")
    smtp_timeout_s: float = Field(10.0, description="for one mail")
    smtp_start_tls: bool = Field(False, description="refuse to send in plain")
    smtp_username: str | None = Field(None, description="the account there; without one nobody signs in")
    smtp_password: SecretStr | None = Field(None, description="the account's password")
    mail_from: str = Field("Pixera <no-reply@pixera.example>", description="from whom mails are")
