"""Tests that need Ray: `make test-ray` runs them, in a venv of their own."""

import os
import sys
from pathlib import Path

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# What they share with the other tests lies one folder up.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
