"""What auth must be told besides the common settings."""

from datetime import timedelta

from pydantic import Field, SecretStr

from libs.common.events.base import Code
from libs.common.mailing.settings import MailSettings


class AuthSettings(MailSettings):
    """Auth's settings, from the environment (`PIXERA_…`)."""

    token_signing_key: SecretStr = Field(
        description="PEM of the Ed25519 private key that signs access tokens"
    )
    token_previous_keys: str = Field(
        "", description="PEMs of public keys that are published too: the one before, or the next one"
    )
    case_token_key: SecretStr = Field(description="signs case tokens; privacy has the same")

    staff_name: str = Field("operator", description="the first staff account, made while there is none")
    staff_password: SecretStr | None = Field(
        None, description="its password; it never changes that of an account that is there"
    )

    terms_version: Code = Field(
        "2026-11-01", description="the terms in force until policy.published is heard"
    )
    policy_version: Code = Field(
        "2026-11-01", description="the policy in force until policy.published is heard"
    )
    notice_mails_per_s: float = Field(
        20.0,
        gt=0,
        description="how fast everybody is told of a significant version: slower than the mail server takes mails, "
        "or other mails wait behind these",
    )

    argon2_memory_kib: int = Field(19 * 1024, description="memory of one password hash")
    argon2_time_cost: int = Field(2, description="its passes")
    argon2_parallelism: int = Field(1, description="its lanes")
    argon2_workers: int = Field(2, description="hashes computed at once")
    argon2_queue: int = Field(64, description="hashes that may wait; beyond this the answer is 503")

    password_min_length: int = Field(12, description="characters, at least")
    password_min_score: int = Field(3, ge=0, le=4, description="zxcvbn's score, 0 (bad) to 4")

    sign_in_free_tries: int = Field(5, description="wrong passwords of one network before the first delay")
    sign_in_free_strangers: int = Field(
        100, description="wrong passwords of all networks that an account is not known from, before a delay"
    )
    sign_in_longest_delay_s: int = Field(300, description="no failed try keeps anybody out for longer")

    session_lifetime: timedelta = Field(
        timedelta(days=30), description="a session ends after this, however often it is renewed"
    )
    sessions_at_once: int = Field(50, ge=1, description="a sign-in beyond these ends the oldest session")
    refresh_idle: timedelta = Field(
        timedelta(days=14), description="a refresh token unused for this long is void"
    )
    verification_lifetime: timedelta = Field(
        timedelta(hours=24), description="the link of the first mail is void after this"
    )
    unverified_lifetime: timedelta = Field(
        timedelta(days=7), description="an account whose address is never verified is deleted after this"
    )
    identity_code_lifetime: timedelta = Field(
        timedelta(minutes=15), description="a code that proves who asks is void after this"
    )
    deletion_grace_days: int = Field(
        7,
        ge=0,
        le=30,
        description="how long a person who deleted the account can come back, before it is erased; 0: not at all",
    )
    answer_floor_s: float = Field(
        0.15, description="registration and its like never answer faster, so that time tells nothing"
    )
