"""Run the public commands on a damaged release, in a process with limits, and judge what comes out.

A store that comes out is compared with the truth picture by picture: each crop is recognised (`healthy`), and
the labels beside it must be those of the frame that it shows. What is lost must be among the store's
exclusions, or in a line that the commands print only because of the damage.
"""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import resource
import select
import shutil
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from aukit.cli import main
from aukit.store import PreparedStore
from tests.fuzz import healthy

SECONDS = 60
MOST_MEMORY = 4 << 30
_GARBAGE = 32  # grey levels of mean difference in an eighth of the side; the codecs reach 13

_LUMA = np.array([0.299, 0.587, 0.114])

FAULTS = ("silent", "traceback", "hang")
OUTCOMES = ("right", "excluded", "error", *FAULTS)


@dataclass(frozen=True)
class Verdict:
    """What became of a case.

    Attributes:
        outcome: One of `OUTCOMES`.
        detail: What was printed or went wrong.
    """

    outcome: str
    detail: str


def in_process(work: Callable[[], Verdict], seconds: float = SECONDS, memory: int = MOST_MEMORY) -> Verdict:
    """The verdict of `work`, which runs in a child process with limits of time and memory."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            os.close(reading)
            base = _kilobytes("VmSize:") * 1024
            resource.setrlimit(resource.RLIMIT_AS, (base + memory, base + memory))
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            try:
                verdict = work()
            except BaseException:
                verdict = Verdict("traceback", traceback.format_exc(limit=-4))
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
            if grown > memory:
                verdict = Verdict("hang", f"{grown >> 20} MiB of memory")
            os.write(writing, pickle.dumps(verdict)[:60_000])
        finally:
            os._exit(0)
    os.close(writing)
    content = b""
    until = time.monotonic() + seconds
    try:
        while select.select([reading], [], [], max(until - time.monotonic(), 0))[0]:
            if not (piece := os.read(reading, 65536)):
                break
            content += piece
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.close(reading)
        _, status = os.waitpid(child, 0)
    if not content:
        late = time.monotonic() >= until
        return Verdict("hang", f"no answer in {seconds:g} s" if late else f"the process died ({status})")
    return pickle.loads(content)  # of our own child


def _kilobytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(name)))


def _command(*words: str) -> tuple[int, str]:
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            status = main(words)
        except SystemExit as error:
            status = int(error.code or 0)
    return status, output.getvalue()


def judge_release(corpus: str, root: Path, usual: frozenset[str] = frozenset()) -> Verdict:
    """Check and prepare a release.

    Args:
        corpus: Its name.
        root: Its folder.
        usual: What is printed of the healthy release.
    """
    out = root.with_name(f"{root.name}-stores")
    try:
        status, text = check_and_prepare(corpus, root, out)
        printed = [line for line in text.splitlines() if line not in usual]
        if "not enough memory" in text:
            return Verdict("hang", text[-500:])
        if "Traceback" in text or "\x1b[" in text:
            return Verdict("traceback", text[-1500:])
        if status != 0:
            return Verdict("error", "\n".join(printed)[-1500:])
        store = PreparedStore(next(path for path in out.iterdir() if path.is_dir()))
        return compare(corpus, store, printed)
    finally:
        shutil.rmtree(out, ignore_errors=True)


def check_and_prepare(corpus: str, root: Path, out: Path) -> tuple[int, str]:
    """Exit status of `aukit prepare`, and what it and `aukit corpora check` print."""
    options = healthy.OPTIONS.get(corpus)
    which = [corpus if options is None else "multipie", "--root", str(root), *(options or ())]
    report = _command("corpora", "check", *which, "--deep")[1]
    words = ["--registration", "similarity", "--size", str(healthy.CROP), "--workers", "0", "--out", str(out)]
    status, text = _command("prepare", *which, *words)
    return status, report + text


@cache
def truth(corpus: str) -> tuple[list[tuple[healthy.Recording, int]], np.ndarray]:
    """Recording and place of every picture, and the crops [N, 32, 32, 3]."""
    recordings = healthy.recordings(corpus)
    places = [(recording, place) for recording in recordings for place in range(len(recording.pictures))]
    return places, np.concatenate([healthy.crops(recording.pictures) for recording in recordings])


def compare(corpus: str, store: PreparedStore, printed: list[str]) -> Verdict:
    """Judge a store by its pictures; `printed` are the lines that are due to the damage."""
    places, crops = truth(corpus)
    table = store.table.frame
    seen: set[tuple[str, int]] = set()
    uncoded: dict[str, set[str]] = {}
    for row, image in enumerate(np.asarray(store.images, dtype=float)):
        best = int(np.abs(crops - image).mean((1, 2, 3)).argmin())
        recording, place = places[best]
        where = f"{table['video'][row]}, frame {table['frame'][row]}"
        shown = f"shows {recording.subject} {recording.task}, frame {recording.first + place}"
        right = crops[best]
        if np.ptp(image, axis=-1).max() == 0:  # a grey file shows grey
            right = (right @ _LUMA)[..., None]
        cells = np.abs(right - image).reshape(8, 4, 8, 4, 3).mean((1, 3, 4))
        if cells.max() > _GARBAGE:
            return Verdict("silent", f"{where}: a garbage picture is kept ({cells.max():.0f} levels off)")
        if (table["subject"][row], table["task"][row]) != (recording.subject, recording.task):
            return Verdict("silent", f"{where}: {shown}")
        if recording.view is not None and table["view"][row] != recording.view:
            return Verdict("silent", f"{where}: {shown}, from view {recording.view}")
        for name, said in recording.attributes.items():
            if table[name].isna()[row]:
                uncoded.setdefault(recording.subject, set()).add(name)
            elif table[name][row] != said:
                return Verdict("silent", f"{where}: {shown}, whose {name} is {said}, not {table[name][row]}")
        for name, codes in recording.labels.items():
            label = float(table[name][row]) if name in table else float("nan")
            if np.isnan(label):
                uncoded.setdefault(recording.subject, set()).add(name)
            elif label != codes[place]:
                return Verdict("silent", f"{where}: {shown}, whose {name} is {codes[place]}, not {label:g}")
        seen.add((recording.title, place))
    lost = [(recording, place) for recording, place in places if (recording.title, place) not in seen]
    return _account(store, printed, lost, uncoded)


def _account(
    store: PreparedStore,
    printed: list[str],
    lost: list[tuple[healthy.Recording, int]],
    uncoded: dict[str, set[str]],
) -> Verdict:
    """Everything that is not in the store must be told of."""
    excluded = store.exclusions
    for recording in {recording.title: recording for recording, _ in lost}.values():
        count = sum(other.title == recording.title for other, _ in lost)
        names = (
            recording.title,
            f"{recording.subject}/{recording.task}",
        )  # of a video, of a folder of images
        own = [any(name in str(video) for name in names) for video in excluded["video"]]
        whole = excluded["position"].isna().to_numpy()[own].any()
        told = any(recording.subject in line for line in printed)
        if sum(own) < count and not whole and not told:
            return Verdict("silent", f"{recording.title}: {count} frames lost, {sum(own)} excluded")
    for subject, names in uncoded.items():
        partly = any(subject in str(video) for video in excluded["video"])
        if not partly and not any(subject in line for line in printed):
            return Verdict("silent", f"{subject}: without a word not coded: {', '.join(sorted(names))}")
    if lost or uncoded:
        reasons = sorted(set(excluded["reason"]))
        return Verdict(
            "excluded", f"{len(lost)} frames left out, codes missing of {len(uncoded)} people: {reasons}"
        )
    return Verdict("right", "")
