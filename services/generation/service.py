"""What generation does, in five parts: jobs, rendering, delivery, live progress, and what is stopped."""

from dataclasses import dataclass

from services.generation.delivery import Delivery
from services.generation.jobs import Jobs
from services.generation.progress import ProgressFeed
from services.generation.rendering import Rendering
from services.generation.suspending import Suspending


@dataclass(frozen=True, slots=True)
class GenerationService:
    """What routes and handlers call."""

    jobs: Jobs
    rendering: Rendering
    delivery: Delivery
    progress: ProgressFeed
    suspending: Suspending
