"""Run an exported ONNX file without MindSpore and without this package.

    python run_onnx.py net.onnx cat.jpg dog.jpg

A sample to copy to a server: NumPy, Pillow and ONNX Runtime, and OpenCV for segmenters. It
reads the metadata file (side-car) ``net.onnx.json``, prepares images as in the evaluation of the
network, and prints one line of JSON for each. Classifiers, detectors and segmenters.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

TOP = 5  # classes that a classifier shows
SCORE = 0.3  # of the least certain object that a detector shows


class Network:
    """An ONNX file and its metadata."""

    def __init__(self, file: str):
        self.about = json.loads(Path(f"{file}.json").read_text(encoding="utf-8"))
        self.session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        self.batch, _, *self.shape = self.about["input_shape"]
        prepare, interpret = TASKS[self.about["task"]]
        self._prepare, self._interpret = prepare, interpret

    def predict(self, file: str) -> dict:
        """Return what is in an image, as plain data."""
        grey = self.about["preprocess"]["channels"] == 1
        image = ImageOps.exif_transpose(Image.open(file)).convert("L" if grey else "RGB")
        pixels, place = self._prepare(image, self.about["preprocess"], self.shape)
        images = np.repeat(pixels[None], self.batch or 1, 0).astype(self.about["input_dtype"])
        outputs = self.session.run(None, {self.about["input_name"]: images})
        return self._interpret([output[0] for output in outputs], place, image, self.about)


# --- classification -------------------------------------------------------------------------------


def centre_crop(image: Image.Image, settings: dict, shape: list[int]) -> tuple[np.ndarray, None]:
    """Resample the middle of the image to the network's size."""
    side = min(image.size) * settings["crop_pct"]
    left, top = (image.width - side) / 2, (image.height - side) / 2
    size = settings["image_size"]
    box = (left, top, left + side, top + side)
    return normalised(image.resize((size, size), resampling(settings), box=box), settings), None


def ranked(outputs: list[np.ndarray], _: None, image: Image.Image, about: dict) -> dict:
    """Return the most probable classes."""
    logits = outputs[0].astype(np.float64)
    probability = np.exp(logits - logits.max())
    probability /= probability.sum()
    best = np.argsort(-probability, kind="stable")[:TOP]
    return {
        "classes": [name_of(about, k) for k in best],
        "probabilities": probability[best].tolist(),
    }


# --- detection ------------------------------------------------------------------------------------


def fitted(image: Image.Image, settings: dict, shape: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Resize without distortion and fill up at the right and at the bottom."""
    width, height = image.size
    wide, high = keep_ratio(width, height, settings)
    if high > shape[0] or wide > shape[1]:
        factor = min(shape[0] / height, shape[1] / width)
        wide, high = rounded(width * factor), rounded(height * factor)
    pixels = np.zeros((settings["channels"], *shape), np.float32)
    resized = image.resize((wide, high), resampling(settings))
    pixels[:, :high, :wide] = normalised(resized, settings)
    return pixels, np.array([wide / width, high / height] * 2, np.float32)


def found(outputs: list[np.ndarray], scale: np.ndarray, image: Image.Image, about: dict) -> dict:
    """Return the objects above the score, with their boxes in the image, and pixels of masks."""
    if len(outputs) < 3:
        sys.exit("This file ends at the anchors (--raw). Export it without --raw.")
    boxes, scores, labels, *masks = outputs
    boxes = boxes / scale
    objects = []
    for i in np.flatnonzero((labels >= 0) & (scores >= SCORE)):
        cut = np.clip(boxes[i], 0, [*image.size, *image.size])
        entry = {"class": name_of(about, int(labels[i])), "score": float(scores[i])}
        entry["box"] = cut.tolist()
        if masks:
            entry["pixels"] = int(pasted(masks[0][i], boxes[i], *image.size).sum())
        objects.append(entry)
    return {"objects": objects}


def pasted(mask: np.ndarray, box: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return the mask (H, W) in the image of a mask (S, S) in its box, read bilinearly."""
    x1, y1, x2, y2 = box.tolist()
    if not (x2 > x1 and y2 > y1):
        return np.zeros((height, width), bool)
    down = weights((np.arange(height) + 0.5 - y1) / (y2 - y1), mask.shape[0])
    across = weights((np.arange(width) + 0.5 - x1) / (x2 - x1), mask.shape[1])
    return across @ (down @ mask).T >= 0.5


def weights(places: np.ndarray, size: int) -> np.ndarray:
    """Return what each of ``size`` pixels adds at places from 0 to 1: (n, size)."""
    distances = np.abs(places[:, None] * size - 0.5 - np.arange(size))
    return np.maximum(0, 1 - distances).astype(np.float32)


# --- segmentation ---------------------------------------------------------------------------------


def stretched(image: Image.Image, settings: dict, shape: list[int]) -> tuple[np.ndarray, list[int]]:
    """Resize without antialiasing, as segmenters are trained, and fill up."""
    import cv2

    filters = {"nearest": cv2.INTER_NEAREST, "bilinear": cv2.INTER_LINEAR,
               "bicubic": cv2.INTER_CUBIC, "lanczos": cv2.INTER_LANCZOS4}  # fmt: skip
    interpolation = filters[settings["interpolation"]]

    def resize(pixels: np.ndarray, wide: int, high: int) -> np.ndarray:
        return cv2.resize(pixels, (wide, high), interpolation=interpolation)

    wide, high = keep_ratio(*image.size, settings)
    divisor = settings["size_divisor"]
    pixels = resize(np.asarray(image), wide, high)
    pixels = resize(pixels, -(-wide // divisor) * divisor, -(-high // divisor) * divisor)
    if pixels.shape[0] > shape[0] or pixels.shape[1] > shape[1]:
        factor = min(shape[0] / image.height, shape[1] / image.width)
        size = rounded(image.width * factor), rounded(image.height * factor)
        pixels = resize(np.asarray(image), *size)
    high, wide = pixels.shape[:2]
    padded = np.zeros((settings["channels"], *shape), np.float32)
    padded[:, :high, :wide] = normalised(Image.fromarray(pixels), settings)
    return padded, [high, wide]


def label_shares(
    outputs: list[np.ndarray], valid: list[int], image: Image.Image, about: dict
) -> dict:
    """Return the share of each class in the pixels of the image."""
    labels = outputs[0]
    if labels.ndim != 2:
        sys.exit("This file has logits as output, and this sample reads labels.")
    rows, columns = (
        np.minimum((np.arange(size) + 0.5) * side / size, side - 1).astype(int)
        for size, side in zip((image.height, image.width), valid, strict=True)
    )
    labels = labels[np.ix_(rows, columns)]  # a label for each pixel of the image
    counts = np.bincount(labels.reshape(-1))
    order = [k for k in np.argsort(-counts, kind="stable") if counts[k]]
    return {
        "classes": [{"class": name_of(about, k), "share": counts[k] / labels.size} for k in order]
    }


# --- shared ---------------------------------------------------------------------------------------


def normalised(image: Image.Image, settings: dict) -> np.ndarray:
    """Return (C, H, W): pixels in 0..1 less the mean, over the deviation."""
    pixels = np.asarray(image, np.float32).reshape(image.height, image.width, -1)
    mean, std = (255 * np.array(settings[key], np.float32) for key in ("mean", "std"))
    return ((pixels - mean) / std).transpose(2, 0, 1)


def keep_ratio(width: int, height: int, settings: dict) -> tuple[int, int]:
    """Return the sides after resizing, the shorter ``short_side`` if the longer one allows it."""
    factor = min(
        settings["long_side"] / max(width, height), settings["short_side"] / min(width, height)
    )
    return rounded(width * factor), rounded(height * factor)


def rounded(side: float) -> int:
    """Round to the nearest whole number, halves up, at least 1."""
    return max(1, int(side + 0.5))


def resampling(settings: dict) -> Image.Resampling:
    """Return the filter, which antialiases."""
    return Image.Resampling[settings["interpolation"].upper()]


def name_of(about: dict, label: int) -> str:
    """Return a class name; a network may have more outputs than the data had classes."""
    classes = about["classes"]
    return classes[label] if label < len(classes) else f"class {label}"


TASKS = {
    "classification": (centre_crop, ranked),
    "detection": (fitted, found),
    "segmentation": (stretched, label_shares),
}


def main() -> None:
    """Print what is in each image."""
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    network = Network(sys.argv[1])
    for file in sys.argv[2:]:
        print(json.dumps({"image": file, **network.predict(file)}, ensure_ascii=False))


if __name__ == "__main__":
    main()
