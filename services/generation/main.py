"""Generation's composition root."""

from datetime import timedelta

from fastapi import FastAPI

from libs.common.app import Parts, Platform, create_process
from libs.common.bus.consumes import subscriptions
from libs.common.bus.settings import BusSettings
from libs.common.privacy.removals import Removals
from services.generation import handlers, privacy, routes
from services.generation.delivery import Delivery
from services.generation.jobs import Jobs
from services.generation.objects import JobObjects
from services.generation.progress import ProgressFeed
from services.generation.renderer import Renderer
from services.generation.rendering import Rendering
from services.generation.repository import JobRepository, TurnRepository
from services.generation.service import GenerationService
from services.generation.settings import GenerationSettings
from services.generation.suspending import Suspending


def create_app(role: str = "all", given: GenerationSettings | None = None) -> FastAPI:
    """Build one process of generation. Args: given: settings, if not those of the environment."""
    settings = given or GenerationSettings()

    def compose(platform: Platform) -> Parts:
        return parts_of(platform, settings)

    return create_process(
        name="generation",
        role=role,
        settings=settings,
        holdings=privacy.HOLDINGS,
        routers=[routes.router],
        compose=compose,
    )


def parts_of(platform: Platform, settings: GenerationSettings) -> Parts:
    """Put the service together."""
    rows = JobRepository(platform.mongo)
    removals = Removals(
        privacy.HOLDINGS, privacy.OBJECTS, platform.mongo, platform.storage, platform.tombstones
    )
    objects = JobObjects(platform.storage, removals, platform.writes, settings.pseudonym_key)
    renderer = Renderer(
        settings.generation_backend,
        settings.generation_render_processes,
        timeout_s=settings.generation_render_timeout_s,
        nice=settings.generation_render_nice,
    )
    jobs = Jobs(
        rows,
        TurnRepository(platform.mongo),
        platform.work,
        platform.suspensions,
        credits_per_image=settings.generation_credits_per_image,
        admitted_per_person=settings.generation_admitted_per_person,
        open_per_person=settings.generation_open_per_person,
    )
    service = GenerationService(
        jobs=jobs,
        rendering=Rendering(rows, platform.work, objects, renderer),
        delivery=Delivery(
            rows,
            objects,
            sweep_every_s=settings.generation_sweep_every_s,
            leftover_after=timedelta(seconds=settings.generation_leftover_after_s),
        ),
        progress=ProgressFeed(
            platform.mongo,
            rows,
            per_person=settings.generation_watchers_per_person,
            longest_s=settings.access_token_ttl_s,
        ),
        suspending=Suspending(platform.suspensions, jobs, platform.work),
    )
    events = subscriptions(handlers, service)
    draws = handlers.RENDER in BusSettings().chosen(each.group for each in events)
    return Parts(
        service=service,
        starting_work=[renderer.begin] if draws else [],
        subscriptions=events,
        background=[service.delivery.sweep_for_ever],
        api_background=[service.progress.follow],
        closing=[renderer.close],
    )
