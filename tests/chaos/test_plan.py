"""A seed's plan: the same wherever it is played, and of every kind in the long run."""

from collections import Counter

from tests.chaos.model import Kind
from tests.chaos.plan import DELETION, ERASERS, MOST_FAULTS, plan

SEEDS = range(400)


def test_the_same_seed_is_the_same_plan() -> None:
    assert [plan(seed) for seed in SEEDS] == [plan(seed) for seed in SEEDS]
    assert plan(7).workload().random() == plan(7).workload().random()
    assert plan(7) != plan(8)


def test_a_machine_without_mounts_leaves_out_full_disks_and_nothing_else() -> None:
    for seed in SEEDS:
        wanted = [fault for fault in plan(seed).faults if fault.kind is not Kind.FULL_DISK]
        assert list(plan(seed, disks=False).faults) == wanted


def test_every_kind_of_fault_is_drawn() -> None:
    drawn = Counter(fault.kind for seed in SEEDS for fault in plan(seed).faults)
    assert set(drawn) == set(Kind)


def test_faults_are_few_in_time_and_of_different_targets() -> None:
    for seed in SEEDS:
        drawn = plan(seed)
        assert 1 <= len(drawn.faults) <= MOST_FAULTS
        assert len({fault.target for fault in drawn.faults}) == len(drawn.faults)
        assert all(0 <= fault.at_s <= drawn.lasts_s and fault.for_s <= 12 for fault in drawn.faults)


def test_a_good_part_of_the_seeds_breaks_something_within_an_erasure() -> None:
    within = [fault for seed in SEEDS for fault in plan(seed).faults if fault.after == DELETION]
    assert 1 / 4 <= len(within) / len(SEEDS) <= 2 / 5
    assert {fault.target for fault in within} == set(ERASERS)
    assert Counter(fault.kind for fault in within)[Kind.KILL] > len(within) / 2
