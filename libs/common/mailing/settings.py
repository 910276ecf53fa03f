"""What a service must be told that mails."""

from pydantic import SecretStr

from libs.common.settings import CommonSettings


class MailSettings(CommonSettings):
    """Where the mail server is, and in whose name mails are sent (`PIXERA_…`)."""

    smtp_host: str = "127.0.0.1"
    smtp_port: int = 1025
    smtp_timeout_s: float = 10.0
    smtp_start_tls: bool = False
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    mail_from: str = "Pixera <no-reply@pixera.example>"
