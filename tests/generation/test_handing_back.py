"""How a worker begins and ends: ready once it can draw; what it has in hand, the next one ends, and once."""

from collections import Counter
from collections.abc import AsyncIterator
from multiprocessing import active_children
from pathlib import Path

import pytest

from libs.common.events.generation import GenerationCompletedV1
from libs.common.settings import CommonSettings
from libs.common.testing.serving import serving
from libs.common.testing.waiting import eventually
from services.generation.main import create_app
from tests.generation.house import GATED, House, open_house

IMAGES = 3


@pytest.fixture(scope="module")
async def house(common_settings: CommonSettings) -> AsyncIterator[House]:
    """Run generation's API; the workers, which wait for a job no longer than a moment, are the test's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIXERA_BUS_DRAIN_S", "0.3")
        async with open_house(common_settings, GATED, role="api") as running:
            yield running


async def test_a_worker_is_ready_once_its_drawing_has_begun(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(active_children())
    async with serving(create_app("worker", house.settings)):
        assert set(active_children()) - before
    monkeypatch.setenv("PIXERA_BUS_WITHOUT_GROUPS", "generation.render")
    before = set(active_children())
    async with serving(create_app("worker", house.settings)):
        assert set(active_children()) <= before, "who leaves the drawing to others keeps no memory for it"


async def test_a_job_longer_than_the_drain_is_handed_back_and_goes_on_once(
    house: House, tmp_path: Path
) -> None:
    person = house.person()

    async def first_is_kept() -> bool:
        return bool((await person.job(job["id"]))["images_done"] == 1)

    async with serving(create_app("worker", house.settings)):
        job = await person.start(str(tmp_path), seed=0, count=IMAGES)
        await eventually(first_is_kept, within_s=60)
    seen = await person.job(job["id"])
    assert (seen["state"], seen["images_done"]) == ("running", 1), "its person sees where it stands"
    assert await house.final_events(person.id) == []

    (tmp_path / "open").touch()
    async with serving(create_app("worker", house.settings)):
        await person.in_state(job["id"], "completed")
        (event,) = await eventually(lambda: house.final_events(person.id))
    assert isinstance(event, GenerationCompletedV1)
    assert (event.credits, len(event.image_ids)) == (IMAGES, IMAGES)
    assert len(set(await house.objects(person.id))) == IMAGES
    begun = _begun(tmp_path)
    assert begun["0"] == 1, "what was drawn is not drawn again"
    assert begun.keys() == {"0", "1", "2"}
    assert max(begun.values()) <= 2


def _begun(folder: Path) -> Counter[str]:
    """Return how often each image was begun, by its seed."""
    return Counter(each.name.partition("-")[0] for each in folder.glob("*-*-*"))
