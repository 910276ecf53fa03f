"""What gallery lets in, and what it keeps of it. Real photographs, with EXIF and GPS written into them."""

import hashlib
import io
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import piexif
import pytest
import skimage
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

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
from services.gallery.imaging import icc

PHOTOS = Path(skimage.__file__).parent / "data"
SECRETS = (
    b"Jane Doe",
    b"jane@example.org",
    b"SN-4711",
    b"PixelCam",
    b"52.52",
    b"Berlin",
    b"GPSLatitude",
    b"GPS",
)
KINDS = st.sampled_from(["jpeg", "progressive", "png", "webp", "lossless"])


def photo(name: str = "rocket.jpg") -> Image.Image:
    """Return a real photograph, opened."""
    return Image.open(PHOTOS / name)


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    """Return a picture as a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def personal_exif(orientation: int = 1) -> bytes:
    """Return EXIF as a phone writes it: who, where, when, with what, and a preview."""
    zeroth = {
        piexif.ImageIFD.Make: b"PixelCam",
        piexif.ImageIFD.Model: b"PixelCam Model 7",
        piexif.ImageIFD.Artist: b"Jane Doe",
        piexif.ImageIFD.ImageDescription: b"at home in Berlin",
        piexif.ImageIFD.Orientation: orientation,
    }
    details = {
        piexif.ExifIFD.DateTimeOriginal: b"2026:05:04 18:30:00",
        piexif.ExifIFD.OffsetTimeOriginal: b"+02:00",
        piexif.ExifIFD.BodySerialNumber: b"SN-4711",
        piexif.ExifIFD.UserComment: b"ASCII\x00\x00\x00jane@example.org",
    }
    gps = {
        piexif.GPSIFD.GPSLatitudeRef: b"N",
        piexif.GPSIFD.GPSLatitude: ((52, 1), (31, 1), (0, 1)),
        piexif.GPSIFD.GPSAreaInformation: b"Berlin 52.52 GPS",
    }
    preview = encoded(photo().resize((64, 42)))
    block: bytes = piexif.dump({"0th": zeroth, "Exif": details, "GPS": gps, "1st": {}, "thumbnail": preview})
    return block


def xmp() -> bytes:
    """Return an XMP packet that names a person."""
    return b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><dc:creator>Jane Doe</dc:creator>GPSLatitude</x:xmpmeta>'


def phone_jpeg(orientation: int = 1) -> bytes:
    """Return a photograph with EXIF, GPS, XMP, a comment and IPTC."""
    file = encoded(photo(), quality=90, exif=personal_exif(orientation), xmp=xmp(), comment=b"for Jane Doe")
    iptc = b"Photoshop 3.0\x008BIM\x04\x04\x00\x00\x00\x00\x00\x08Jane Doe"
    return file[:2] + b"\xff\xed" + struct.pack(">H", len(iptc) + 2) + iptc + file[2:]


def phone_png() -> bytes:
    """Return a PNG with text chunks, EXIF, a date and a private chunk."""
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "Jane Doe")
    info.add_itxt("Comment", "jane@example.org", zip=True)
    info.add_itxt("XML:com.adobe.xmp", xmp().decode())
    info.add(b"prVt", b"SN-4711")
    return encoded(photo("chelsea.png"), "PNG", pnginfo=info, exif=personal_exif())


def phone_webp(**options: object) -> bytes:
    """Return a WebP with EXIF and XMP."""
    return encoded(photo("coffee.png"), "WEBP", exif=personal_exif(), xmp=xmp(), **options)


SAMPLES: dict[str, Callable[[], bytes]] = {
    "jpeg": phone_jpeg,
    "progressive": lambda: encoded(
        photo("retina.jpg"), progressive=True, exif=personal_exif(), comment=b"Jane Doe"
    ),
    "png": phone_png,
    "webp": phone_webp,
    "lossless": lambda: phone_webp(lossless=True),
}


def pixels(data: bytes) -> tuple[str, tuple[int, int], bytes]:
    """Return what a file decodes to."""
    with Image.open(io.BytesIO(data)) as image:
        return image.mode, image.size, image.tobytes()


def archive() -> bytes:
    """Return a small ZIP."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("evil.html", "<script>alert(1)</script>")
    return file.getvalue()


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


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_cut_file_is_refused(kind: str) -> None:
    data = SAMPLES[kind]()
    for share in (0.1, 0.5, 0.9, 0.999):
        with pytest.raises(TruncatedImage):
            imaging.inspect(data[: int(len(data) * share)])
    with pytest.raises(TruncatedImage):
        imaging.inspect(b"")


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


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


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


def test_an_archive_hidden_among_the_coded_pixels_is_refused() -> None:
    data = phone_jpeg()
    with pytest.raises(PolyglotImage):
        imaging.inspect(data[:-2] + archive() + data[-2:])


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
    KINDS,
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
