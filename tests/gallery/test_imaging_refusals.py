"""What gallery refuses, each with its own error; and that nothing else is ever raised."""

import pickle
import struct
import time
import zlib
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from services.gallery import imaging
from services.gallery.errors import (
    BadImage,
    ImageTooLarge,
    PixelBomb,
    PolyglotImage,
    TruncatedImage,
    TypeMismatch,
    UnsupportedImage,
)
from services.gallery.imaging import jpeg
from tests.gallery.pictures import (
    SAMPLES,
    archive,
    chunk,
    encoded,
    personal_exif,
    phone_jpeg,
    phone_png,
    photo,
)


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_cut_file_is_refused(kind: str) -> None:
    data = SAMPLES[kind]()
    for share in (0.1, 0.5, 0.9, 0.999):
        with pytest.raises(TruncatedImage):
            imaging.inspect(data[: int(len(data) * share)])
    with pytest.raises(TruncatedImage):
        imaging.inspect(b"")


@pytest.mark.parametrize("behind", [b"\x00", b"\xd0", b""], ids=["stuffed", "restart", "marker"])
def test_a_megabyte_of_fill_bytes_costs_no_time(behind: bytes) -> None:
    data = encoded(photo())
    fill = b"\xff" * 1_000_000 + behind
    started = time.perf_counter()
    assert jpeg.read(data[:-2] + fill + data[-2:]).header.width == photo().width
    with pytest.raises(TruncatedImage):
        jpeg.read(data[:-2] + fill)
    assert time.perf_counter() - started < 1


def test_a_png_with_a_changed_byte_is_refused() -> None:
    data = bytearray(phone_png())
    data[data.index(b"IDAT") + 2000] ^= 1
    with pytest.raises(TruncatedImage):
        imaging.inspect(bytes(data))


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (encoded(Image.new("RGB", (8, 8)), "GIF"), "GIF"),
        (encoded(Image.new("RGB", (8, 8)), "BMP"), "BMP"),
        (encoded(Image.new("RGB", (8, 8)), "TIFF"), "TIFF"),
        (b"\x00\x00\x00\x18ftypheic" + bytes(40), "HEIC"),
        (b"%PDF-1.7\n", "PDF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (archive(), "ZIP"),
        (b"no picture at all", "PNG"),
    ],
    ids=["gif", "bmp", "tiff", "heic", "pdf", "svg", "zip", "text"],
)
def test_other_files_are_refused_by_name(data: bytes, name: str) -> None:
    with pytest.raises(UnsupportedImage, match=name):
        imaging.inspect(data)


def test_moving_pictures_are_refused() -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    for kind in ("PNG", "WEBP"):
        with pytest.raises(UnsupportedImage, match="still"):
            imaging.inspect(encoded(frames[0], kind, save_all=True, append_images=frames[1:]))


def test_a_file_announced_as_another_type_is_refused() -> None:
    with pytest.raises(TypeMismatch, match="image/png and was announced as image/jpeg"):
        imaging.inspect(phone_png(), "image/jpeg")


def test_a_file_of_more_than_25_mb_is_refused() -> None:
    with pytest.raises(ImageTooLarge):
        imaging.inspect(phone_jpeg() + bytes(imaging.MAX_BYTES))


def test_pixel_bombs_are_refused_by_their_header() -> None:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    png = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    jpeg = bytearray(encoded(Image.new("RGB", (16, 16))))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", 65_000, 65_000)
    webp = bytearray(encoded(Image.new("RGB", (16, 16)), "WEBP"))
    start = webp.index(b"\x9d\x01\x2a")
    webp[start + 3 : start + 7] = struct.pack("<HH", 16_383, 16_383)
    for bomb in (png, bytes(jpeg), bytes(webp)):
        with pytest.raises(PixelBomb) as caught:
            imaging.inspect(bomb)
        assert caught.value.status == 413
    for bomb in (png, bytes(jpeg), bytes(webp)):
        with pytest.raises((PixelBomb, TruncatedImage)):
            imaging.thumbnails(bomb)


def test_pixels_that_unpack_to_more_than_the_picture_are_refused() -> None:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 0, 0, 0, 0))
    bomb = zlib.compress(bytes(60_000_000))
    with pytest.raises(TruncatedImage):
        imaging.inspect(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", bomb) + chunk(b"IEND", b""))


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize(
    "tail",
    [
        archive(),
        b"\x00" * 64 + archive(),
        b"rubbish" + archive(),
        b"<html><script>alert(1)</script></html>",
        b"\n<?php system($_GET['c']); ?>",
        b"xx<script>alert(1)</script>",
        b"%PDF-1.4 ...",
        b"\x7fELF\x02\x01\x01",
        b"Rar!\x1a\x07\x00",
    ],
    ids=["zip", "padded-zip", "late-zip", "html", "php", "script", "pdf", "elf", "rar"],
)
def test_another_file_behind_the_picture_is_refused(kind: str, tail: bytes) -> None:
    with pytest.raises(PolyglotImage):
        imaging.inspect(SAMPLES[kind]() + tail)


def test_an_archive_hidden_among_the_coded_pixels_is_refused() -> None:
    data = phone_jpeg()
    with pytest.raises(PolyglotImage):
        imaging.inspect(data[:-2] + archive() + data[-2:])


def test_errors_survive_the_way_back_from_a_process() -> None:
    with pytest.raises(TypeMismatch) as caught:
        imaging.inspect(phone_png(), "image/webp")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), again.detail, again.problem()) == (
        TypeMismatch,
        caught.value.detail,
        caught.value.problem(),
    )


def only_declared_errors(data: bytes) -> None:
    """Run everything over the bytes; anything but a BadImage fails the test."""
    for work in (imaging.inspect, imaging.sanitise, imaging.thumbnails):
        with suppress(BadImage):
            work(data)


@given(
    st.binary(max_size=600),
    st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x40\x00\x00\x00WEBP"]),
)
@example(b"", b"\xff\xd8\xff")
@settings(max_examples=300, deadline=None)
def test_random_bytes_never_raise_anything_else(data: bytes, start: bytes) -> None:
    only_declared_errors(start + data)


TINY = {
    kind: encoded(
        photo().resize((40, 24)),
        "PNG" if kind == "png" else "JPEG" if kind in ("jpeg", "progressive") else "WEBP",
        exif=personal_exif(6),
        icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        **(
            {"progressive": True}
            if kind == "progressive"
            else {"lossless": True}
            if kind == "lossless"
            else {}
        ),
    )
    for kind in SAMPLES
}


@given(
    st.sampled_from(sorted(SAMPLES)),
    st.lists(st.tuples(st.floats(0, 0.9999), st.binary(min_size=1, max_size=6)), min_size=1, max_size=6),
    st.one_of(st.none(), st.floats(0, 1)),
)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_mutated_pictures_never_raise_anything_else(
    kind: str, changes: list[tuple[float, bytes]], cut: float | None
) -> None:
    data = bytearray(TINY[kind])
    for place, new in changes:
        start = int(place * len(data))
        data[start : start + len(new)] = new
    only_declared_errors(bytes(data if cut is None else data[: int(cut * len(data))]))
