"""Where generation keeps an image until the gallery has it: names made by the server that say nothing of anyone."""

from uuid import UUID

from pydantic import SecretStr

from libs.common.privacy.holdings import locator

BUCKET = "pixera-generation"


class Names:
    """Object names under a person's opaque prefix. Args: key: the pseudonym key that all services share."""

    def __init__(self, key: SecretStr) -> None:
        self._key = key

    def of_job(self, user_id: UUID, job_id: UUID) -> str:
        """Return the prefix of a job's images."""
        return f"{locator(self._key, user_id)}/{job_id}/"

    def of_image(self, user_id: UUID, job_id: UUID, index: int) -> str:
        """Return the name of one image."""
        return f"{self.of_job(user_id, job_id)}{index}"
