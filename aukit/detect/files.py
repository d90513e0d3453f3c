"""Files in, tables out: what `aukit detect` does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from aukit.detect.drawings import Drawing, Painted, Source
from aukit.detect.face import INTENSITY, FaceDetector, HeatMapDetector
from aukit.detect.inputs import HEAT_MAPS, OVERLAY, PHOTOGRAPHS, find_inputs
from aukit.detect.overlay import draw_faces
from aukit.detect.reading import Reading
from aukit.detect.record import check_place, stamp_of
from aukit.detect.summary import Summary
from aukit.detect.table import TableFormat
from aukit.errors import ConfigError


def detect_files(
    inputs: str | Path | Iterable[str | Path],
    out: str | Path,
    detector: FaceDetector,
    *,
    table_format: TableFormat = "csv",
    overlay: bool = False,
    heatmaps: bool = False,
    largest: bool = False,
    calibrate: bool = False,
    progress: bool = False,
) -> Summary:
    """Find faces, landmarks and action units in photographs, folders of them and videos.

    Each video has a table of its own, as have the images of each folder; all photographs that are named one
    by one share ``photographs``. A file that cannot be read stops nothing: an image has a row that says why,
    and the summary names both. What is done is not read again while file, model and options are the same; an
    interruption costs the video that is being read, and no image.

    Args:
        inputs: Files, folders and patterns such as ``clips/*.mp4``; one or several.
        out: Folder of the tables, made where it is missing.
        detector: What finds faces.
        table_format: ``csv`` or ``parquet``.
        overlay: Whether to draw what was found, into copies beside the tables.
        heatmaps: Whether to draw the heat maps of action units over the faces' crops, beside the tables.
        largest: Whether only the largest face of each image counts.
        calibrate: Whether in a video the low intensities of each face are taken for zero, see
            `aukit.detect.table.BASELINE`.
        progress: Whether to show a bar on a terminal.

    Returns:
        Counts, and which files failed.

    Raises:
        ConfigError: An input is not there, the table of another one would be overwritten, or one that was
            made in another way and is to be drawn from; heat maps are asked of a model that has none, or
            calibration of one without intensities.
        OSError: A table cannot be written.

    Example:
        >>> model: FaceDetector  # doctest: +SKIP
        >>> summary = detect_files(["clip.mp4", "photographs/"], "results", model)  # doctest: +SKIP
        >>> read_detections(summary.tables[0])["AU12_r"].mean()  # doctest: +SKIP
        1.3
    """
    drawings: list[Drawing] = []
    if overlay:
        paint = partial(draw_faces, aus=detector.aus, measure=detector.measure)
        drawings.append(Painted(OVERLAY, detector, paint))
    if heatmaps:
        if not isinstance(detector, HeatMapDetector):
            raise ConfigError(f"the model {detector.name} has no heat maps; name one that has (fgnet:FILE)")
        drawings.append(Painted(HEAT_MAPS, detector, detector.heat_maps))
    if calibrate and detector.measure is not INTENSITY:
        raise ConfigError(f"the model {detector.name} reads no intensities to calibrate; leave it out")
    return read_files(inputs, out, detector, drawings, table_format, largest, progress, calibrate)


def read_files(
    inputs: str | Path | Iterable[str | Path],
    out: str | Path,
    detector: FaceDetector,
    drawings: Sequence[Drawing],
    table_format: TableFormat,
    largest: bool,
    progress: bool,
    calibrate: bool = False,
) -> Summary:
    """As `detect_files`, with whatever is to be drawn from the tables."""
    found = find_inputs(inputs)
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    summary = Summary(
        videos=len(found.videos),
        images=sum(map(len, found.folders.values())) + len(found.photographs),
        failed=found.refused,
        left_out=found.left_out,
        formats=found.formats,
    )
    run = Reading(out, detector, largest, calibrate, drawings, progress, summary)
    tables = {name: out / f"{name}.{table_format}" for name in (*found.videos, *found.folders, PHOTOGRAPHS)}
    videos = {tables[name]: path for name, path in found.videos.items()}
    images = {tables[name]: paths for name, paths in found.folders.items()}
    with run.lock:  # tables and records as they belong together
        kinds = [drawing.kind for drawing in drawings]
        for table, path in videos.items():
            check_place(table, {"": stamp_of(path)}, kinds)
        for table, paths in images.items():
            check_place(table, {name: stamp_of(path) for name, path in paths.items()}, kinds)
        if found.photographs:
            table = tables[PHOTOGRAPHS]
            check_place(table, {}, kinds)
            images[table] = run.earlier(table, found.photographs)
        sources: dict[Path, Source] = {**videos, **images}
        for table, source in sources.items():
            run.check(table, source)
        done = {
            table: run.done(table, paths) for table, paths in images.items() if not run.are_done(table, paths)
        }
    run.all(videos, images, done)
    return summary
