"""What generation does, in four parts: people's jobs, their rendering, the delivery, and the live progress."""

from dataclasses import dataclass

from services.generation.delivery import Delivery
from services.generation.jobs import Jobs
from services.generation.progress import ProgressFeed
from services.generation.rendering import Rendering


@dataclass(frozen=True, slots=True)
class GenerationService:
    """What routes and handlers call."""

    jobs: Jobs
    rendering: Rendering
    delivery: Delivery
    progress: ProgressFeed
