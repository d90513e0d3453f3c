"""Weights that come with the project, each with a card beside it that says what made it and what it can do."""

from __future__ import annotations

from pathlib import Path

from aukit.errors import WeightsError

__all__ = ["weights_path"]

HOME = Path(__file__).parent


def weights_path(kind: str, name: str | Path) -> Path:
    """The file that `name` means: one that is shipped under that name, or else the path itself.

    Args:
        kind: Network that it is for: ``fgnet`` or ``backbone``.
        name: Name of shipped weights, such as ``mini``, or a path with a suffix.

    Raises:
        WeightsError: A name without suffix that is neither shipped nor a file.
    """
    shipped = HOME / f"{kind}-{name}.safetensors"
    if Path(name).suffix or Path(name).exists():
        return Path(name)
    if not shipped.is_file():
        known = sorted(path.stem.removeprefix(f"{kind}-") for path in HOME.glob(f"{kind}-*.safetensors"))
        raise WeightsError(
            f"{name}: no weights of that name come with the project for {kind} (there are:"
            f" {', '.join(known) or 'none'}), and it is no file"
        )
    return shipped
