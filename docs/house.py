"""The house: which room may import which, read from the code; `python -m docs.house` draws it.

`tests/test_house.py` holds every module to `ROOMS` and `INNER`. The picture is docs/pictures/house.png: rooms
from the lowest to the highest, a line for each pair of rooms of which the upper one imports the lower one.
"""

from __future__ import annotations

import argparse
import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).parents[1] / "aukit"

#: From the lowest room to the highest: a room imports from the lines above its own only; rooms of one line
#: never import each other.
ROOMS: tuple[tuple[str, ...], ...] = (
    ("errors",),
    ("utils",),
    ("facs",),
    ("mesh", "metrics"),
    ("registration",),
    ("datasets",),
    ("store",),
    ("simulation",),
    ("datamodules",),
    ("models",),
    ("training",),
    ("reproduce",),
    ("detect", "sweeps"),
    ("fairness",),
    ("cli",),
)

#: The same inside the rooms that are houses of their own.
INNER: dict[str, tuple[tuple[str, ...], ...]] = {
    "simulation": (
        ("materials", "camera"),
        ("face",),
        ("ict",),
        ("bases",),
        ("appearance",),
        ("rendering",),
        ("behaviour",),
        ("corpora",),
        ("pairs",),
        ("images",),
    ),
    "models": (
        ("weights",),
        ("components",),
        ("baselines", "fgnet", "landmarks", "niinuma2021", "pm2"),
    ),
}


class Import(NamedTuple):
    """One import statement's name, as the module that has it would say it.

    Attributes:
        module: Dotted name of the importing module.
        name: Dotted name of what is imported: a module, or a name of one.
        line: Line of the statement.
        inside_function: Whether it runs only when a function is called.
    """

    module: str
    name: str
    line: int
    inside_function: bool


def modules() -> dict[str, Path]:
    """Dotted name → file of every module of the package, stubs of lazy packages included."""
    found: dict[str, Path] = {}
    for path in sorted([*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.pyi")]):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name not in found or path.suffix == ".pyi":  # a lazy package imports what its stub says
            found[name] = path
    return found


def imports(module: str, path: Path) -> Iterator[Import]:
    """Every import of a module, also under TYPE_CHECKING and inside functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = module if path.stem == "__init__" else module.rpartition(".")[0]
    deferred = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join(
                    [*package.split(".")[: len(package.split(".")) - node.level + 1], base]
                ).rstrip(".")
            names = [f"{base}.{alias.name}" for alias in node.names]
        for name in names:
            yield Import(module, name, node.lineno, id(node) in deferred)  # type: ignore[attr-defined]


def own_imports() -> list[Import]:
    """Every import of one module of the package by another."""
    return [
        each
        for module, path in modules().items()
        for each in imports(module, path)
        if each.name.startswith("aukit.") and each.name != "aukit.__version__"
    ]


def room_of(name: str) -> str:
    """First part of a dotted name below the package."""
    return name.split(".")[1]


def inner_room_of(name: str) -> str | None:
    """Second part, where the room is a house of its own."""
    parts = name.split(".")
    return parts[2] if parts[1] in INNER and len(parts) > 2 else None


def draw(path: Path) -> None:
    """Write the picture of the rooms and who imports whom, as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = {name: len(file.read_text(encoding="utf-8").splitlines()) for name, file in modules().items()}
    size = Counter[str]()
    for name, count in lines.items():
        if "." in name:
            size[room_of(name)] += count
    edges = Counter(
        (room_of(each.module), room_of(each.name))
        for each in own_imports()
        if "." in each.module and room_of(each.module) != room_of(each.name)
    )
    figure = Figure(figsize=(11, 12), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    place = {
        room: (1.35 * (column - (len(row) - 1) / 2), float(height))
        for height, row in enumerate(ROOMS)
        for column, room in enumerate(row)
    }
    for (upper, lower), count in sorted(edges.items()):
        (x0, y0), (x1, y1) = place[upper], place[lower]
        far = abs(y0 - y1)
        side = 1 if (list(place).index(upper) + list(place).index(lower)) % 2 else -1
        axes.annotate(
            "",
            xy=(x1 + side * 0.5, y1),
            xytext=(x0 + side * 0.5, y0),
            arrowprops={
                "arrowstyle": "-|>",
                "color": f"C{ROOMS_INDEX[upper] % 10}",
                "alpha": 0.75,
                "lw": 0.6 + min(count, 40) / 16,
                "connectionstyle": f"arc3,rad={-side * min(0.08 * far + 0.12, 0.75):.2f}",
            },
        )
    for room, (x, y) in place.items():
        axes.text(
            x,
            y,
            f"{room}\n{size[room]:,} lines",
            ha="center",
            va="center",
            fontsize=10,
            bbox={"boxstyle": "round,pad=0.45", "fc": "white", "ec": f"C{ROOMS_INDEX[room] % 10}", "lw": 1.6},
        )
    axes.set_xlim(-4.2, 4.2)
    axes.set_ylim(-0.7, len(ROOMS) - 0.3)
    axes.axis("off")
    axes.set_title(
        "Rooms of aukit: an arrow leads to what is imported; thicker for more imports", fontsize=12
    )
    figure.savefig(path)


ROOMS_INDEX = {room: index for index, row in enumerate(ROOMS) for room in row}


def main() -> None:
    """Draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/pictures/house.png"))
    draw(parser.parse_args().out)


if __name__ == "__main__":
    main()
