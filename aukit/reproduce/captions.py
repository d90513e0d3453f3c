"""Sentences that stand below several tables, from plain facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aukit.reproduce.scores import Span
from aukit.store import Encoding
from aukit.utils.text import listing

INTERVALS = (
    "jackknife t-intervals over people; by simulation such a 95 % interval covers the mean over AUs in 95 %"
    " of cases at 9, 14 and 27 people, single AUs in 94 %"
)
"""How intervals are made, and what they hold (`benchmarks/interval_coverage.py`)."""


@dataclass(frozen=True)
class DataFacts:
    """What a table's numbers are of.

    Attributes:
        titles: Names of the corpora.
        profile: Size of the table.
        seed: Seed of the whole chain.
        standins: Descriptions of the rendered corpora, as in their ``STANDIN.json``; None for licensed ones.

    Example:
        >>> data_sentence(DataFacts(("BP4D", "DISFA"), "paper", 0, None))
        'Data: licensed releases of BP4D and DISFA. Size: paper.'
    """

    titles: tuple[str, ...]
    profile: str
    seed: int
    standins: tuple[Mapping[str, Any], ...] | None


def data_sentence(facts: DataFacts, if_rendered: str = "", if_licensed: str = "") -> str:
    """Data origin and size, with recipe, version and seed of what is rendered; and what to know of either."""
    several = len(facts.titles) > 1
    corpora = listing(facts.titles)
    if facts.standins is None:
        return f"Data: licensed release{'s' * several} of {corpora}. Size: {facts.profile}.{if_licensed}"
    recipes = "; ".join(
        f"{each['recipe']['name']} version {each['version']}, seed {each['seed']}" for each in facts.standins
    )
    return (
        f"Data: rendered stand-in{'s' * several} of {corpora} (recipe{'s' * (len(facts.standins) > 1)}"
        f" {recipes}; no real face in {'them' if several else 'it'}). Size: {facts.profile}."
        f"{if_rendered}"
    )


def span_text(span: Span) -> str:
    """A difference with its interval, all signed."""
    value, low, high = span
    return f"{value:+.3f} [{low:+.3f}, {high:+.3f}]"


def not_run_sentences(profile: str, missing: Sequence[str], separator: str = ", ") -> list[str]:
    """A sentence that names what this size leaves out; none if nothing is."""
    return [f"Not run in {profile}: {separator.join(missing)}."] if missing else []


def code_sentences(commits: Mapping[str, int], now: str | None) -> list[str]:
    """The sentence that says of which code trainings are; none if it is the code that made the table.

    Args:
        commits: Commit, or None in words, → number of trainings.
        now: That of the code that runs.

    Example:
        >>> code_sentences({"8d1f0c2e9": 3, "a77b5e310-dirty": 1}, "8d1f0c2e9")
        ['Trainings are of other code than the table (8d1f0c2): 3 of 8d1f0c2, 1 of a77b5e3-dirty.']
    """
    if now is None or set(commits) <= {now}:
        return []
    found = ", ".join(f"{count} of {short_commit(commit)}" for commit, count in commits.items())
    return [f"Trainings are of other code than the table ({short_commit(now)}): {found}."]


def short_commit(commit: str) -> str:
    """A commit as people write it, with its "-dirty".

    Example:
        >>> short_commit("a77b5e310c-dirty")
        'a77b5e3-dirty'
    """
    name, dirty, _ = commit.partition("-dirty")
    return name[:7] + dirty


def difference_sentences(publication: str, found: Sequence[str]) -> list[str]:
    """The sentence that lists in what runs differ from a publication; none if in nothing.

    Args:
        publication: Its name.
        found: What differs, each with the published way in brackets.

    Example:
        >>> difference_sentences("FG-Net", ["batches of 8 (16)", "crops kept without loss (JPEG)"])
        ['Differs from FG-Net, whose way is in brackets: batches of 8 (16); crops kept without loss (JPEG).']
    """
    return [f"Differs from {publication}, whose way is in brackets: {'; '.join(found)}."] if found else []


def crops_with_loss(data: Mapping[str, Any]) -> str:
    """How the crops of a datamodule with these arguments are kept; empty where that is exact.

    Example:
        >>> crops_with_loss({"encoding": "jpeg", "quality": None}), crops_with_loss({"encoding": "webp"})
        ('crops kept as JPEG, quality 95', '')
    """
    encoding = Encoding(data.get("encoding"), data.get("quality"))
    return f"crops kept as JPEG, quality {encoding.quality}" if encoding.format == "jpeg" else ""


def other_values(ours: Mapping[str, Any], published: Mapping[str, tuple[Any, str]]) -> list[str]:
    """What of a configuration is not as published.

    Args:
        ours: Arguments of a resolved configuration.
        published: Argument → its published value, and words in which ``{0}`` is ours and ``{1}`` that one.

    Example:
        >>> other_values({"lr": 0.002, "clip": 0.1}, {"lr": (5e-5, "rate {0:g} ({1:g})"), "clip": (0.1, "")})
        ['rate 0.002 (5e-05)']
    """
    return [
        words.format(ours[name], value) for name, (value, words) in published.items() if ours[name] != value
    ]


LANDMARKS = {
    "sidecar": "a file beside the corpus",
    "face-alignment": "face-alignment's networks",
}
"""Sources of landmarks, as stores name them, in words."""


def landmarks_in_words(source: str) -> str:
    """A source of landmarks, as a store names it, in words."""
    if source.startswith("aukit-"):
        return f"aukit's networks (weights {source.removeprefix('aukit-')})"
    return LANDMARKS.get(source, source)


def training_length(config: Mapping[str, Any], frames: int | None = None) -> str:
    """Steps of a configuration's training; epochs where they follow from frames whose number is not given.

    Args:
        config: Resolved configuration.
        frames: Number of training frames, where it is known.
    """
    trainer, data = config["trainer"], config["data"]["init_args"]
    epochs, per_epoch, batch = trainer["max_epochs"], data["steps_per_epoch"], data["batch_size"]
    limit = trainer.get("limit_train_batches")
    most = limit if type(limit) is int else None  # a share, 1.0, is no number of batches
    if per_epoch is None and frames is not None:
        whole, rest = divmod(frames, batch)
        per_epoch = max(1, whole + (rest > 0 and not data.get("drop_last", True)))
    if per_epoch is None:
        return f"{epochs} epochs" + (f" of at most {most} batches" if most else "")
    return f"{epochs * min(per_epoch, most or per_epoch):,} steps"
