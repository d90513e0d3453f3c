"""The baseline of the benchmark, which is no module of the package."""

import importlib.util
from pathlib import Path

_PATH = Path(__file__).parents[3] / "benchmarks" / "fgnet.py"
_SPEC = importlib.util.spec_from_file_location("fgnet_benchmark", _PATH)
_MODULE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_MODULE)

published = _MODULE.published
