"""`python -m aukit.cli`, as processes that share a training are started."""

import sys

from aukit.cli import main

sys.exit(main())
