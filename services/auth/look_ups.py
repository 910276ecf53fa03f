"""How people are looked for: by blind indexes of what they typed, which is stored sealed (ADR 0035)."""

from uuid import UUID

from libs.common.blind_index import BlindIndexes
from services.auth.models import EMAIL_INDEX, REFUSED_INDEX, USERNAME_INDEX
from services.auth.session_models import NETWORK_INDEX


class LookUps:
    """Makes the keys that accounts, names and sessions are found by."""

    def __init__(self, indexes: BlindIndexes) -> None:
        self._indexes = indexes

    def email(self, email: str) -> str:
        """Return what an address is found by, and is unique by."""
        return self._indexes.of(EMAIL_INDEX, email)

    def refused(self, email: str) -> str:
        """Return what is kept of an address that registers nothing: not what its account was found by."""
        return self._indexes.of(REFUSED_INDEX, email)

    def username(self, username: str) -> str:
        """Return what a username is found by, and is unique by."""
        return self._indexes.of(USERNAME_INDEX, username)

    def network(self, user_id: UUID, network: str) -> str:
        """Return what a person's sessions from a network are found by; another person's from there are not."""
        return self._indexes.of(NETWORK_INDEX, str(user_id), network)
