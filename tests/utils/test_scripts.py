"""Scripts that share work between processes."""

import subprocess
import sys

UNGUARDED = """
import math
from aukit.utils.jobs import run_jobs
print("began")
run_jobs(math.sqrt, [1, 4, 9], 3, "roots", "root", workers=2, progress=False)
print("ended", __file__, __spec__)
"""


def test_a_script_needs_no_main_guard(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines() == ["began", f"ended {script} None"]  # once, and nothing is left hidden
