"""The photographs of the story: a trace of one person can never be another's picture."""

from collections import defaultdict

from demo.needles import WINDOW
from demo.photos import CROPS, PHOTOGRAPHS, Traces, photographs

TRACES = Traces("artist", "camera", "serial", "comment", 52.5, 13.4)
SCAN = b"\xff\xda"


def test_no_two_photographs_share_what_is_looked_for() -> None:
    """Neither as taken nor without what the camera wrote: the tables before the picture itself are everybody's."""
    pictures = [
        photo[photo.rindex(SCAN) + 14 :] for photo in photographs(len(PHOTOGRAPHS) * len(CROPS), TRACES)
    ]
    of: defaultdict[bytes, set[int]] = defaultdict(set)
    for number, picture in enumerate(pictures):
        for start in range(0, len(picture) - WINDOW, WINDOW // 2):
            of[picture[start : start + WINDOW]].add(number)
    shared = {
        frozenset((number, other))
        for number, picture in enumerate(pictures)
        for start in range(len(picture) - WINDOW)
        for other in of.get(picture[start : start + WINDOW], ())
        if other != number
    }
    assert len(pictures) == 60
    assert shared == set()
