"""Lanes are served by weight; who slept gets no credit for it."""

from engine.fairness import Ring


def serve(ring: Ring, weights: dict[int, int], jobs: int) -> list[int]:
    served: list[int] = []
    for _ in range(jobs):
        lane = ring.first()
        assert lane is not None
        served.append(lane)
        ring.charge(lane, weights[lane])
    return served


def test_lanes_are_served_in_proportion_to_their_weights() -> None:
    ring, weights = Ring(), {1: 1, 2: 3}
    for lane in weights:
        ring.enter(lane, 0)
    served = serve(ring, weights, 400)
    assert 98 <= served.count(1) <= 102


def test_equal_lanes_take_turns() -> None:
    ring, weights = Ring(), {1: 1, 2: 1, 3: 1}
    for lane in weights:
        ring.enter(lane, 0)
    assert serve(ring, weights, 6) == [1, 2, 3, 1, 2, 3]


def test_who_slept_gets_no_credit_and_no_penalty() -> None:
    ring, weights = Ring(), {1: 1, 2: 1}
    ring.enter(1, 0)
    serve(ring, weights, 100)
    ring.enter(2, 0)
    served = serve(ring, weights, 10)
    assert served.count(2) == 5


def test_the_lanes_of_one_source_share_its_weight() -> None:
    ring = Ring()
    for lane in (1, 2, 3):
        ring.enter(lane, 0)
    served: list[int] = []
    for _ in range(300):
        first = ring.first()
        assert first is not None
        served.append(first)
        ring.charge(first, 1, siblings=2 if first in {1, 2} else 1)
    assert 148 <= served.count(3) <= 152


def test_a_lane_leaves_with_what_it_used_and_enters_once() -> None:
    ring = Ring()
    ring.enter(1, 0)
    ring.enter(1, 500)
    ring.enter(2, 0)
    ring.charge(1, 1)
    assert 1 in ring
    assert ring.leave(1) == 1_000_000
    assert (len(ring), ring.first(), ring.lanes()) == (1, 2, [2])


def test_alone_in_its_ring_a_lane_owes_nobody() -> None:
    ring = Ring()
    ring.enter(1, 7)
    for _ in range(1_000):
        ring.charge(1, 1)
    ring.enter(2, 0)
    assert ring.lanes() == [1, 2]
    assert (ring.leave(1), ring.leave(2)) == (7, 7)
