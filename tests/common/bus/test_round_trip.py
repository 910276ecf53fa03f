"""From a business transaction to an effect elsewhere."""

from tests.common.bus.conftest import Bench


async def test_what_is_published_has_its_effect_once(bench: Bench) -> None:
    await bench.bus(bench.subscription(bench.note)).start()
    await bench.publish_numbers(50)
    assert sorted(await bench.effects_reach(50)) == list(range(50))
