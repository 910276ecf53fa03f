"""Privacy's HTTP API of the vault, for operators. No key passes here."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from libs.common.app import provided
from libs.common.errors import Forbidden, problems
from libs.common.identity import Staff
from libs.common.vault.cipher import MasterUnknown
from services.privacy.service import PrivacyService

Service = Annotated[PrivacyService, Depends(provided(PrivacyService))]

router = APIRouter(prefix="/api/privacy/v1/staff/vault", tags=["privacy"])


class VaultOut(BaseModel):
    """How the vault stands."""

    master: str = Field(description="fingerprint of the master key that wraps new keys")
    in_kms: bool = Field(description="it never leaves a KMS; otherwise it is in a setting")
    keys: int = Field(description="keys of people")
    waiting: int = Field(description="of these, wrapped by another master")
    destroyed: int = Field(description="marks that people who are erased have left")


class RotationOut(VaultOut):
    """What an order to rotate has done, and how the vault stands then."""

    rewrapped: int


@router.get("", responses=problems(Forbidden))
async def show_vault(_: Staff, service: Service) -> VaultOut:
    """Return how many keys there are, and how many wait for the current master."""
    return VaultOut(**asdict(await service.vault.state()))


@router.post("/rotate", responses=problems(Forbidden, MasterUnknown))
async def rotate_master(staff: Staff, service: Service) -> RotationOut:
    """Wrap at most 500 keys by the current master key. Ask again until none is `waiting`: that resumes as well.

    Raises:   MasterUnknown: keys are wrapped by a master key that is not among the settings.
    Effects:  publishes action.recorded (`keys.rotated`) with their number.
    """
    rewrapped = await service.vault.rotate(staff.id)
    return RotationOut(**asdict(await service.vault.state()), rewrapped=rewrapped)
