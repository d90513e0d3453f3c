"""`python -m aukit.cli`, as processes that share a training are started."""

import os
import sys

from aukit.cli import main

if sys.path[0] in ("", os.getcwd()):
    del sys.path[0]  # the command aukit looks for modules in the experiment's folder first

sys.exit(main())
