"""Any bytes are an image within the limit or a clear error."""

import io
from dataclasses import replace

import numpy as np
import pytest
from damages import answer_or_clear_error, answer_or_error, damaged
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from acmix.config import ClassificationConfig
from acmix.data import Preprocess
from acmix.data.decode import DecodeError, decode

MAX_PIXELS = 2000


PIXELS = np.random.default_rng(0).integers(0, 255, (12, 9, 3), dtype=np.uint8)


def encoded(format, mode="RGB"):
    image = Image.fromarray(PIXELS).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, format)
    return buffer.getvalue()


def deep(format, kind, white):
    buffer = io.BytesIO()
    Image.fromarray((PIXELS[..., 0] / 255 * white).astype(kind)).save(buffer, format)
    return buffer.getvalue()


def with_texts(format):
    """With EXIF data, a colour profile and, for PNG, texts that are compressed."""
    exif, texts = Image.Exif(), PngImagePlugin.PngInfo()
    exif[0x0112] = 6
    for add in (texts.add_text, texts.add_itxt):
        add("prompt", "x" * 3000, zip=True)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    options = {"pnginfo": texts} if format == "PNG" else {}
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, format, exif=exif, icc_profile=profile, **options)
    return buffer.getvalue()


def frames(format):
    buffer = io.BytesIO()
    pictures = [Image.fromarray(PIXELS), Image.fromarray(PIXELS[::-1])]
    pictures[0].save(buffer, format, save_all=True, append_images=pictures[1:])
    return buffer.getvalue()


IMAGES = [
    *(encoded(format) for format in ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "PPM")),
    *(encoded(format, "P") for format in ("GIF", "PNG")),
    encoded("JPEG", "CMYK"),
    encoded("PNG", "LA"),
    encoded("PNG", "1"),
    deep("TIFF", np.uint16, 65535),
    deep("TIFF", np.int32, 4095),
    deep("TIFF", np.float32, 1),
    deep("PNG", np.uint16, 65535),
    *(with_texts(format) for format in ("JPEG", "PNG", "WEBP")),
    *(frames(format) for format in ("GIF", "WEBP", "TIFF")),
]


@given(content=st.sampled_from(IMAGES).flatmap(damaged) | st.binary(max_size=80))
@pytest.mark.parametrize("channels", [1, 3])
def test_image_within_the_limit_or_clear_error(content, channels):
    image, error = answer_or_error(decode, content, channels, MAX_PIXELS, error=DecodeError)
    if image is None:
        assert error
    else:
        assert image.width * image.height <= MAX_PIXELS
        assert np.asarray(image).dtype == np.uint8
        assert image.mode == {1: "L", 3: "RGB"}[channels]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    (folder / "neighbour.png").write_bytes(IMAGES[1])
    return folder / "image"


@given(content=st.sampled_from(IMAGES).flatmap(damaged))
def test_file_is_transformed_or_named(file, content):
    file.write_bytes(content)
    preprocess = Preprocess.from_config(replace(ClassificationConfig().data, image_size=4))
    image = answer_or_clear_error(preprocess.read, file)
    assert image is None or (image.shape == (3, 4, 4) and np.isfinite(image).all())
