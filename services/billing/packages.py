"""What can be bought. A payment keeps the credits and the price it was made with, whatever changes here later."""

from dataclasses import dataclass

from services.billing.payments import Money


@dataclass(frozen=True, slots=True)
class Package:
    """A number of credits at a price."""

    code: str
    credits: int
    price: Money


PACKAGES: dict[str, Package] = {
    package.code: package
    for package in (
        Package("starter", 100, Money(500, "EUR")),
        Package("creator", 500, Money(2_000, "EUR")),
        Package("studio", 2_000, Money(6_000, "EUR")),
    )
}
