"""What Pixera keeps on a person's device: all of it, declared here, published, and held to.

Clients take the names from the published list (`contracts/device-storage.json`); an answer that sets a cookie which
is not in it never leaves a process. There is nothing here that tracks, so there is nothing to ask consent for.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Store(StrEnum):
    """Where on the device something is kept."""

    COOKIE = "cookie"
    LOCAL = "local-storage"


@dataclass(frozen=True, slots=True)
class Kept:
    """Something that is kept on a device.

    Args:     name: of the cookie, or the key in the local storage; about: the policy's word for it; what: it holds;
              lasts: how long.
    Source:   Directive 2002/58/EC Art. 5(3): strictly necessary for what the person asked for.
    """

    name: str
    store: Store
    about: str
    what: str
    lasts: str


ON_THE_DEVICE = (
    Kept(
        "pixera.session",
        Store.LOCAL,
        "session",
        what="the refresh token, which keeps the person signed in, and the access token",
        lasts="until signing out; the token is void after 14 days unused, and after 30 days in all",
    ),
    Kept(
        "pixera.language",
        Store.LOCAL,
        "language",
        what="the language that was chosen for the pages on this device",
        lasts="until the person removes it, or the browser does",
    ),
    Kept(
        "pixera.theme",
        Store.LOCAL,
        "theme",
        what="the theme that was chosen for this device: light, dark or the system's",
        lasts="until the person removes it, or the browser does",
    ),
)
COOKIES = frozenset(each.name for each in ON_THE_DEVICE if each.store is Store.COOKIE)


class UndeclaredCookie(RuntimeError):
    """An answer sets a cookie that nobody declared: what it holds, why and for how long is on no list."""


def require_declared_cookies(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Refuse an answer that sets a cookie which is not declared. Raises UndeclaredCookie."""
    for name, value in headers:
        if name.lower() == b"set-cookie":
            cookie = value.partition(b"=")[0].decode("latin-1").strip()
            if cookie not in COOKIES:
                raise UndeclaredCookie(f"{cookie} is set and not declared in libs.common.device_storage")
