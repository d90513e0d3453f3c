"""Classes at a room's door have an example in their docstring, and it gives what it says."""

import doctest
import importlib
import inspect

import pytest

DOORS = (
    "datamodules",
    "datasets",
    "mesh",
    "registration",
    "metrics",
    "simulation",
    "store",
    "training",
    "models.baselines",
    "models.fgnet",
    "models.niinuma2021",
    "models.pm2",
)
#: Examples of what writes corpora or trains are too slow to run here.
QUICK = (
    "aukit.datamodules",
    "aukit.datasets",
    "aukit.models",
    "aukit.mesh",
    "aukit.registration",
    "aukit.metrics",
    "aukit.store",
    "aukit.training",
    "aukit.simulation.face",
    "aukit.simulation.camera",
)
QUICK += tuple(
    f"aukit.simulation.{room}"
    for room in ("appearance", "rendering", "behaviour", "corpora", "pairs", "images")
)


def classes() -> list[type]:
    found = []
    for door in DOORS:
        room = importlib.import_module(f"aukit.{door}")
        found += [value for name in room.__all__ if inspect.isclass(value := getattr(room, name))]
    return [each for each in dict.fromkeys(found) if each.__module__.startswith(QUICK)]


@pytest.mark.parametrize("cls", classes(), ids=lambda cls: cls.__name__)
def test_the_example_gives_what_it_says(cls):
    assert "Example:" in (cls.__doc__ or "")
    names = dict(vars(inspect.getmodule(cls)))
    example = doctest.DocTestParser().get_doctest(cls.__doc__, names, cls.__name__, None, None)
    report: list[str] = []
    doctest.DocTestRunner(verbose=False).run(example, out=report.append)
    assert not report, "".join(report)
