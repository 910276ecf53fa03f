"""What gallery keeps of an image: its pixels, and not what its file tells about a person."""

import hashlib
import io
import struct
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image, ImageCms, ImageOps

from services.gallery import imaging
from services.gallery.imaging import icc
from tests.gallery.pictures import (
    PHOTOS,
    SAMPLES,
    SECRETS,
    archive,
    chunk,
    encoded,
    personal_exif,
    phone_jpeg,
    phone_png,
    phone_webp,
    photo,
    pixels,
)


@pytest.mark.parametrize("kind", SAMPLES)
def test_metadata_goes_and_pixels_stay(kind: str) -> None:
    data = SAMPLES[kind]()
    assert any(secret in data for secret in SECRETS)
    clean = imaging.sanitise(data)
    assert pixels(clean.data) == pixels(data)
    assert not [secret for secret in SECRETS if secret in clean.data]
    assert clean.sha256 == hashlib.sha256(clean.data).hexdigest()
    with Image.open(io.BytesIO(clean.data)) as image:
        assert not image.getexif()
        assert not {"exif", "xmp", "comment", "photoshop", "XML:com.adobe.xmp"} & image.info.keys()
        assert (clean.width, clean.height) == image.size
    assert imaging.sanitise(clean.data).data == clean.data


@pytest.mark.parametrize("path", sorted(PHOTOS.glob("*.[jp][pn]g")), ids=lambda path: path.name)
def test_every_sample_photo_is_taken_with_its_pixels_untouched(path: Path) -> None:
    data = path.read_bytes()
    assert pixels(imaging.sanitise(data).data) == pixels(data)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_kept_and_nothing_else_of_exif(orientation: int) -> None:
    data = phone_jpeg(orientation)
    clean = imaging.sanitise(data)
    with Image.open(io.BytesIO(clean.data)) as after, Image.open(io.BytesIO(data)) as before:
        assert dict(after.getexif()) == ({} if orientation == 1 else {0x0112: orientation})
        upright = ImageOps.exif_transpose(before)
        assert (clean.width, clean.height) == upright.size
        assert ImageOps.exif_transpose(after).tobytes() == upright.tobytes()
    large = Image.open(io.BytesIO(imaging.thumbnails(clean.data).large))
    assert large.size == (clean.width, clean.height)


def test_orientation_of_png_and_webp_is_kept() -> None:
    for kind in ("PNG", "WEBP"):
        clean = imaging.sanitise(encoded(photo("chelsea.png"), kind, exif=personal_exif(6)))
        assert (clean.width, clean.height) == (300, 451)
        assert dict(Image.open(io.BytesIO(clean.data)).getexif()) == {0x0112: 6}


def test_when_and_with_what_is_returned_apart_and_never_where() -> None:
    captured = imaging.sanitise(phone_jpeg()).captured
    assert captured == imaging.Captured(datetime(2026, 5, 4, 16, 30, tzinfo=UTC), "PixelCam Model 7")
    assert imaging.sanitise((PHOTOS / "rocket.jpg").read_bytes()).captured == imaging.Captured()


def test_probe_says_what_the_bytes_are() -> None:
    assert imaging.inspect(phone_jpeg(6), "image/jpeg") == imaging.Probe("image/jpeg", 427, 640, 6)
    assert imaging.inspect(phone_png()).media_type == "image/png"
    assert imaging.inspect(phone_webp()).media_type == "image/webp"


def test_colour_profiles_keep_their_colours_and_lose_their_names() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    count = struct.unpack(">I", profile[128:132])[0]
    secret = b"text\x00\x00\x00\x00Jane Doe SN-4711"
    shifted = b"".join(
        struct.pack(">4sII", name, offset + 12, size)
        for name, offset, size in struct.iter_unpack(">4sII", profile[132 : 132 + 12 * count])
    )
    body = profile[132 + 12 * count :]
    table = (
        struct.pack(">I", count + 1) + shifted + struct.pack(">4sII", b"mmod", len(profile) + 12, len(secret))
    )
    named = struct.pack(">I", len(profile) + 12 + len(secret)) + profile[4:128] + table + body + secret
    clean = imaging.sanitise(encoded(photo(), icc_profile=named)).data
    kept = Image.open(io.BytesIO(clean)).info["icc_profile"]
    assert b"Jane" not in clean
    assert b"mmod" not in kept
    assert icc.reduced(kept) == kept
    wide = ImageCms.createProfile("LAB")
    image = photo("coffee.png").convert("RGB")
    before = ImageCms.profileToProfile(
        image, ImageCms.ImageCmsProfile(io.BytesIO(named)), wide, outputMode="LAB"
    )
    after = ImageCms.profileToProfile(
        image, ImageCms.ImageCmsProfile(io.BytesIO(kept)), wide, outputMode="LAB"
    )
    assert before is not None
    assert after is not None
    assert before.tobytes() == after.tobytes()


def test_profiles_that_cannot_be_reduced_are_dropped() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for profile in (b"", b"acsp", lab, lab[:200], bytes(4000)):
        assert icc.reduced(profile) == b""


def test_what_phones_append_is_cut_off() -> None:
    data = phone_jpeg()
    plain = imaging.sanitise(data).data
    film = b"\x00\x00\x00\x18ftypmp42" + bytes(range(256)) * 40
    for tail in (
        b"\x00" * 100,
        encoded(photo().resize((80, 53)), exif=personal_exif()),
        film,
        b"SEFHSEFT Jane Doe",
    ):
        assert imaging.sanitise(data + tail).data == plain


def test_archives_hidden_in_comments_do_not_survive() -> None:
    packed = archive()
    comment = b"\xff\xfe" + struct.pack(">H", len(packed) + 2) + packed
    data = phone_jpeg()
    assert zipfile.is_zipfile(io.BytesIO(data[:2] + comment + data[2:]))
    clean = imaging.sanitise(data[:2] + comment + data[2:]).data
    assert clean == imaging.sanitise(data).data
    assert not zipfile.is_zipfile(io.BytesIO(clean))


def test_bytes_hidden_behind_the_pixels_in_a_png_chunk_are_cut_off() -> None:
    plain = imaging.sanitise(phone_png()).data
    start = plain.index(b"IDAT") - 4
    length = struct.unpack(">I", plain[start : start + 4])[0]
    packed = plain[start + 8 : start + 8 + length]
    hidden = plain[:start] + chunk(b"IDAT", packed + b"Jane Doe was here") + chunk(b"IEND", b"")
    assert imaging.sanitise(hidden).data == plain


@pytest.mark.parametrize(
    "name", ["rocket.jpg", "retina.jpg", "chelsea.png", "logo.png", "camera.png", "microaneurysms.png"]
)
def test_thumbnails_fit_and_show_the_picture(name: str) -> None:
    data = imaging.sanitise((PHOTOS / name).read_bytes()).data
    made = imaging.thumbnails(data)
    with photo(name) as original:
        for file, longest in ((made.small, 320), (made.large, 1024)):
            with Image.open(io.BytesIO(file)) as thumbnail:
                assert thumbnail.format == "WEBP"
                assert max(thumbnail.size) == min(longest, max(original.size))
                assert not {"exif", "xmp", "icc_profile"} & thumbnail.info.keys()
                wanted = original.convert("RGB").resize((16, 16), Image.Resampling.BOX)
                shown = thumbnail.convert("RGB").resize((16, 16), Image.Resampling.BOX)
                off = [abs(a - b) for a, b in zip(wanted.tobytes(), shown.tobytes(), strict=True)]
                assert sum(off) / len(off) < 6
    assert 20 <= len(made.placeholder) <= 40


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "I;16", "CMYK"])
def test_thumbnails_of_every_mode(mode: str) -> None:
    image = photo("chelsea.png")
    if mode == "I;16":
        image = image.convert("L").convert("I").point(lambda value: value * 257)
    made = imaging.thumbnails(
        imaging.sanitise(encoded(image.convert(mode), "JPEG" if mode == "CMYK" else "PNG")).data
    )
    with Image.open(io.BytesIO(made.small)) as small, photo("chelsea.png").convert("L") as grey:
        assert small.mode == "RGB"
        wanted, shown = grey.resize((4, 4)).tobytes(), small.convert("L").resize((4, 4)).tobytes()
        assert max(abs(a - b) for a, b in zip(wanted, shown, strict=True)) < 40


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_thumbnails_keep_transparency(mode: str) -> None:
    image = photo("chelsea.png").convert(mode)
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    made = imaging.thumbnails(imaging.sanitise(encoded(image, "PNG")).data)
    with Image.open(io.BytesIO(made.small)) as small:
        assert small.mode == "RGBA"
        assert min(small.getchannel("A").tobytes()) < 20


def test_the_smallest_picture_has_thumbnails() -> None:
    for size in ((1, 1), (1, 900), (3000, 1)):
        made = imaging.thumbnails(imaging.sanitise(encoded(Image.new("RGB", size, "teal"), "PNG")).data)
        assert made.placeholder
