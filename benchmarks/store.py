"""Random batches from a prepared store, by the form of its crops, against single image files.

    python benchmarks/store.py [--size 224] [--frames 2000] [--batch 64]
    python benchmarks/store.py --crops lightning_logs/stores/NAME/images.npy

Without --crops they are smooth noise, which PNG and JPEG compress about as well as faces. One thread, files
cached; every side ends in a uint8 batch. Rates are by processor time, the best of three rounds in turn;
errors are in grey levels of 255.
"""

import argparse
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from aukit.store import Encoding
from aukit.store.encoding import ENCODED, INDEX, EncodedImages, encoded_index

Batch = npt.NDArray[np.uint8]
Read = Callable[[npt.NDArray[np.int64]], Batch]

ENCODINGS = (Encoding("webp"), *(Encoding("jpeg", quality) for quality in (100, 95, 90, 75)))


def faces(count: int, size: int) -> Batch:
    """Images [count,size,size,3] with the smoothness of faces."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (count, 12, 12, 3), dtype=np.uint8)
    images = [cv2.resize(image, (size, size), interpolation=cv2.INTER_CUBIC) for image in coarse]
    grain = rng.integers(0, 6, (size, size, 3), dtype=np.uint8)
    return np.stack([cv2.add(image, grain) for image in images])


def spread_rows(path: Path, frames: int) -> Batch:
    """At most so many crops of a store without compression, evenly spread over it."""
    crops = np.load(path, mmap_mode="r", allow_pickle=False)
    return np.asarray(crops[np.linspace(0, len(crops) - 1, min(frames, len(crops))).astype(int)])


def encoded(folder: Path, encoding: Encoding, images: Batch) -> tuple[EncodedImages, float]:
    """The images in a form, and the seconds of a core that one took."""
    folder.mkdir()
    began = time.process_time()
    contents = [encoding.encode(image) for image in images]
    seconds = (time.process_time() - began) / len(images)
    (folder / ENCODED).write_bytes(b"".join(contents))
    np.save(folder / INDEX, encoded_index([len(c) for c in contents], [zlib.crc32(c) for c in contents]))
    return EncodedImages(folder, encoding, len(images), images.shape[1]), seconds


def rates(reads: dict[str, Read], count: int, batch: int, seconds: float = 0.3) -> dict[str, float]:
    """Random frames per second of processor time, each the best of three rounds in turn."""
    best = dict.fromkeys(reads, 0.0)
    for turn in range(3):
        for name, read in reads.items():
            rng = np.random.default_rng(turn)
            read(rng.integers(0, count, batch))
            frames, began = 0, time.process_time()
            while time.process_time() - began < seconds:
                frames += len(read(rng.integers(0, count, batch)))
            best[name] = max(best[name], frames / (time.process_time() - began))
    return best


def errors(images: Batch, crops: EncodedImages) -> tuple[float, float, float]:
    """Mean and greatest error, and the peak signal-to-noise ratio in dB (inf: exact)."""
    total, square, most = 0.0, 0.0, 0.0
    for start in range(0, len(images), 64):
        each = np.abs(crops[start : start + 64].astype(np.float64) - images[start : start + 64])
        total, square, most = total + each.sum(), square + (each**2).sum(), max(most, each.max())
    with np.errstate(divide="ignore"):
        return total / images.size, most, float(10 * np.log10(255**2 / np.float64(square / images.size)))


def main() -> None:
    """Print size, errors and frames per second of each form and of single files, and the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--crops", type=Path, metavar="FILE", help="images.npy of a store instead of noise")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    images = (
        faces(options.frames, options.size)
        if options.crops is None
        else spread_rows(options.crops, options.frames)
    )
    count, size = images.shape[:2]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "images.npy", images)
        mapped = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
        reads: dict[str, Read] = {"raw": lambda rows: np.asarray(mapped[rows])}
        print(f"{count:,} crops of {size} x {size}, batches of {options.batch}, one thread, files cached")
        print(f"{'form':8s} {'bytes':>9s} {'raw /':>6s} {'encode':>9s} {'mean':>6s} {'max':>4s} {'PSNR':>8s}")
        for encoding in ENCODINGS:
            crops, seconds = encoded(folder / str(encoding), encoding, images)
            reads[str(encoding)] = crops.__getitem__
            each = (folder / str(encoding) / ENCODED).stat().st_size / count
            mean, most, ratio = errors(images, crops)
            print(
                f"{encoding!s:8s} {each:9,.0f} {images[0].nbytes / each:6.1f} {seconds * 1e3:6.2f} ms"
                f" {mean:6.2f} {most:4.0f} {ratio:5.1f} dB"
            )
        for index, image in enumerate(images):
            for suffix, settings in ((".png", []), (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 95])):
                cv2.imwrite(str(folder / f"{index}{suffix}"), image[..., ::-1], settings)

        def decode(suffix: str) -> Read:
            return lambda rows: np.stack(
                [cv2.imread(str(folder / f"{row}{suffix}"))[..., ::-1] for row in rows]
            )

        reads |= {f"single {suffix} files": decode(suffix) for suffix in (".png", ".jpg")}
        found = rates(reads, count, options.batch)
        for each_form, rate in found.items():
            print(f"{each_form:18s} {rate:10,.0f} frames/s   raw / this = {found['raw'] / rate:6.1f}")


if __name__ == "__main__":
    main()
