"""Many training runs that differ in settings and seeds: described, done, summed up."""

from oprl_gym.sweep.runs import SweepRun
from oprl_gym.sweep.spec import Arm, Sweep, read_sweep

__all__ = ["Arm", "Sweep", "SweepRun", "read_sweep"]
