"""The built-in backend: the same spec, the same bytes, everywhere; the words steer; the file says what it is."""

import hashlib
import io
import os
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from services.generation.backends.base import STYLE_TITLES, Backend, Spec, Style
from services.generation.backends.procedural import NAME, VERSION, ProceduralBackend, render_spec
from services.generation.backends.prompt import read

ROOT = Path(__file__).parents[2]
PROMPT = "Zanzibar harbour at sunset, painted for Aunt Wilhelmina"
SPEC = Spec(PROMPT, "", 4711, 256, 256, Style.LANDSCAPE)

# The bytes are part of the contract: where these change, VERSION changes.
GOLDEN = {
    Style.LANDSCAPE: "cfde32f013c3e65b",
    Style.AURORA: "3e7ebd04d0aeb8c3",
    Style.COSMOS: "01f0a46722ca386a",
    Style.INK_WASH: "e06fb37edcf51467",
    Style.STAINED_GLASS: "ef0c7bb912030596",
    Style.BAUHAUS: "d247d138a4864955",
    Style.FLOW: "0ff8283bfab63ae7",
    Style.MARBLE: "9d6f736c83c97dcd",
}

HASHES = """
import hashlib
from tests.generation.test_procedural import SPEC, render_spec, replace, Style
for style in Style:
    print(style, hashlib.sha256(render_spec(replace(SPEC, style=style)).data).hexdigest()[:16])
"""


def digest(spec: Spec) -> str:
    return hashlib.sha256(render_spec(spec).data).hexdigest()[:16]


def picture(spec: Spec) -> npt.NDArray[np.float64]:
    """Return what a spec is drawn as, (rows, columns, 3)."""
    with Image.open(io.BytesIO(render_spec(spec).data)) as image:
        return np.asarray(image.convert("RGB"), dtype=np.float64)


@pytest.mark.parametrize("style", Style)
def test_the_bytes_are_the_ones_that_the_version_promises(style: Style) -> None:
    assert digest(replace(SPEC, style=style)) == GOLDEN[style]


def test_another_process_on_a_lesser_processor_draws_the_same_bytes() -> None:
    without = {"NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", HASHES],
        env=os.environ | without,
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert dict(line.rsplit(" ", 1) for line in done.stdout.splitlines()) == {
        str(key): value for key, value in GOLDEN.items()
    }


def test_a_process_pool_draws_the_same_bytes() -> None:
    assert pickle.loads(pickle.dumps(render_spec)) is render_spec
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(render_spec, SPEC).result(timeout=60) == render_spec(SPEC)


@pytest.mark.parametrize("style", Style)
def test_another_seed_or_prompt_is_another_picture(style: Style) -> None:
    spec = replace(SPEC, style=style)
    others = [replace(spec, seed=spec.seed + step) for step in range(1, 4)]
    others.append(replace(spec, prompt=spec.prompt + " again"))
    assert len({digest(other) for other in (spec, *others)}) == len(others) + 1


@pytest.mark.parametrize("style", Style)
@pytest.mark.parametrize(("width", "height"), [(256, 256), (320, 640), (640, 256)])
def test_every_style_fills_every_shape(style: Style, width: int, height: int) -> None:
    made = render_spec(replace(SPEC, style=style, width=width, height=height))
    assert (made.media_type, made.width, made.height) == ("image/webp", width, height)
    with Image.open(io.BytesIO(made.data)) as image:
        assert (image.format, image.size, image.mode) == ("WEBP", (width, height), "RGB")
        shown = np.asarray(image, dtype=np.float64)
    assert shown.std() > 12  # never a blank sheet
    for part in np.array_split(shown, 4, axis=0):
        assert part.std() > 1


@pytest.mark.parametrize("style", Style)
def test_a_larger_rendering_is_the_same_picture(style: Style) -> None:
    small, large = (
        Image.fromarray(picture(replace(SPEC, style=style, width=side, height=side)).astype(np.uint8)).resize(
            (32, 32), Image.Resampling.BOX
        )
        for side in (256, 512)
    )
    off = np.abs(np.asarray(small, dtype=np.float64) - np.asarray(large, dtype=np.float64))
    assert off.mean() < 12


def test_the_largest_rendering() -> None:
    made = render_spec(replace(SPEC, width=1024, height=1024))
    assert Image.open(io.BytesIO(made.data)).size == (1024, 1024)


@pytest.mark.parametrize("style", Style)
def test_the_file_says_that_it_is_synthetic_and_nothing_of_who_asked(style: Style) -> None:
    spec = replace(SPEC, style=style, negative_prompt="Bartholomew", seed=987654321987)
    data = render_spec(spec).data
    with Image.open(io.BytesIO(data)) as image:
        packet = image.info["xmp"].decode()
        assert not image.getexif()
    assert "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia" in packet
    assert f"Pixera procedural renderer {VERSION}" in packet
    assert "Synthetic image" in packet
    for secret in ("Zanzibar", "Wilhelmina", "harbour", "Bartholomew", "987654321987"):
        for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
            assert secret.lower().encode(encoding) not in data.lower()
    assert spec.seed.to_bytes(8, "little") not in data
    assert spec.seed.to_bytes(8, "big") not in data


@pytest.mark.parametrize(
    "style", [Style.LANDSCAPE, Style.STAINED_GLASS, Style.COSMOS, Style.FLOW, Style.MARBLE]
)
def test_colour_words_steer(style: Style) -> None:
    def warmth(prompt: str) -> float:
        seeds = [picture(replace(SPEC, prompt=prompt, style=style, seed=seed)) for seed in range(3)]
        return float(np.mean([shown[..., 0].mean() - shown[..., 2].mean() for shown in seeds]))

    assert warmth("red") > warmth("blue") + 40


def test_times_of_day_steer() -> None:
    day = picture(replace(SPEC, prompt="mountains on a bright summer day"))
    night = picture(replace(SPEC, prompt="mountains at night"))
    assert day.mean() > night.mean() + 60


def test_what_is_ruled_out_goes_and_the_rest_stays() -> None:
    spec = replace(SPEC, prompt="mountains at night with a moon", seed=5)
    off = np.abs(picture(spec) - picture(replace(spec, negative_prompt="moon"))).max(axis=2)
    assert off.max() > 100  # the moon is gone
    assert np.median(off) < 12  # and most of the picture is as it was


@pytest.mark.parametrize(
    ("prompt", "negative", "wanted", "banned"),
    [
        ("A Sunset over the OCEAN", "", {"sunset", "sun", "sea"}, set()),
        ("snowy mountains, no trees", "", {"snow", "mountain"}, {"trees"}),
        ("a lake without any birds or stars", "", {"lake", "stars"}, {"birds"}),
        ("moonlit forest", "moon, fog", {"night", "forest"}, {"moon", "fog"}),
        ("purple skies", "purple", set(), {"violet"}),
        ("naïve Grüße 東京 123 !!", "", set(), set()),
        ("", "", set(), set()),
    ],
)
def test_words_are_understood(prompt: str, negative: str, wanted: set[str], banned: set[str]) -> None:
    wishes = read(prompt, negative)
    assert wanted <= wishes.wanted
    assert banned <= wishes.banned
    assert not wishes.wanted & wishes.banned


@pytest.mark.parametrize(
    "change",
    [{"width": 250}, {"height": 192}, {"width": 1088}, {"height": 300}, {"seed": -1}, {"seed": 2**63}],
)
def test_a_spec_outside_its_range_is_refused(change: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="is"):
        replace(SPEC, **change)  # type: ignore[arg-type]


def test_the_backend_names_itself() -> None:
    backend: Backend = ProceduralBackend()
    assert (backend.name, backend.version) == (NAME, VERSION)
    assert backend.render(SPEC) == render_spec(SPEC)
    assert set(STYLE_TITLES) == set(Style)
