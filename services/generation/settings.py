"""What generation must be told, besides what every process is."""

from pydantic import Field

from libs.common.processes import cores
from libs.common.settings import CommonSettings


class GenerationSettings(CommonSettings):
    """Settings of generation (`PIXERA_GENERATION_…`)."""

    generation_credits_per_image: int = Field(1, ge=1, description="what an image costs")
    generation_admitted_per_person: int = Field(
        4, ge=1, description="most jobs of one person that are queued or rendered at a time"
    )
    generation_open_per_person: int = Field(
        500, ge=1, description="most jobs of one person that have not ended"
    )
    generation_watchers_per_person: int = Field(
        8, ge=1, description="most live streams of one person in one process"
    )
    generation_backend: str = Field(
        "services.generation.backends.procedural:ProceduralBackend", description="import path of what draws"
    )
    generation_render_processes: int = Field(
        default_factory=cores,
        ge=1,
        description="images drawn at once by one process of the service; one for each core",
    )
    generation_render_timeout_s: float = Field(
        120.0, gt=0, description="most processor time that one image may take"
    )
    generation_render_nice: int = Field(5, ge=0, description="how far rendering stands back for other work")
    generation_sweep_every_s: float = Field(600.0, gt=0, description="how often leftovers are looked for")
    generation_leftover_after_s: float = Field(
        3600.0, ge=0, description="age at which a temporary object that nobody waits for is removed"
    )
