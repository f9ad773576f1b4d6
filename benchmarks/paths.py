"""Where things are."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PUBLIC_RESULTS = ROOT / "benchmarks" / "public" / "results"
