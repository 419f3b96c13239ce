"""The fixtures: see e2e_fixtures.py."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from e2e_fixtures import *  # noqa: E402,F401,F403
