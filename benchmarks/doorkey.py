"""Where the reported runs found `OneHotDoorKey-5x5-v0`: see `minigrid.py`."""

import benchmarks.minigrid  # noqa: F401 (registers it)
