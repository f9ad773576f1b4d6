"""The labelling page: how long a reply takes, with 1,000 to 100,000 questions.

    python -m benchmarks.speed.labelling   # a minute or two
    python -m benchmarks.speed.labelling --smoke   # seconds; the figures mean little

Half of the questions are answered, all by the person who now goes on: asks for a pair,
answers it, over one connection that is kept. CPU time is the server's (Linux only).
Writes `results/labelling.csv`.
"""

from __future__ import annotations

import csv
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.speed.options import make_parser
from oprl_gym.envs import make_layout
from oprl_gym.labelling.clips import maze_picture
from oprl_gym.preferences import PreferenceStore
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.folder import RunFolder
from oprl_gym.types import Trajectory

FILE = "labelling.csv"
QUESTIONS, SMOKE_QUESTIONS = (1_000, 10_000, 100_000), (100,)
ANSWERS, SMOKE_ANSWERS = 400, 5
SEGMENTS = 300
STEPS = 60
ANNOTATOR = "ann"
LONG_AGO_S = 3600


@dataclass(frozen=True)
class Row:
    """What one store gave.

    Attributes:
        questions: In the store, half of them answered.
        question_ms: Median until a pair has come.
        answer_ms: Median until an answer is acknowledged, that is on the disk.
        slowest_ms: 95 % of both came sooner.
        answers_per_s: Pairs asked for and answered in a second.
        cpu_ms: The server's, for one request.
    """

    questions: int
    question_ms: float
    answer_ms: float
    slowest_ms: float
    answers_per_s: float
    cpu_ms: float


class Page:
    """A browser on a server of its own.

    Args:
        folder: The run to be labelled.
    """

    def __init__(self, folder: RunFolder) -> None:
        options = ("--port", "0", "--annotator", ANNOTATOR, "--seed", "0")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "oprl_gym", "label", str(folder.path), *options],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        url = self._process.stdout.readline().strip()
        where, self._token = url.removeprefix("http://").rstrip("/").split("/")
        self._origin = {"Origin": f"http://{where}"}
        self._connection = http.client.HTTPConnection(where, timeout=60)

    def ask(self) -> dict[str, Any]:
        """Return the pair that is shown."""
        pair: dict[str, Any] = self._call("GET", "question")["pair"]
        return pair

    def answer(self, showing: int) -> None:
        """Answer it."""
        self._call("POST", "answer", {"showing": showing, "choice": "left"})

    def cpu_s(self) -> float:
        """Return the seconds of CPU time that the server has used."""
        stat = Path(f"/proc/{self._process.pid}/stat").read_text()
        user, system = stat.rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """End the server."""
        self._connection.close()
        self._process.kill()
        self._process.communicate()

    def _call(
        self, method: str, path: str, values: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        body = None if values is None else json.dumps(values)
        self._connection.request(method, f"/{self._token}/{path}", body, self._origin)
        reply: dict[str, Any] = json.loads(self._connection.getresponse().read())
        return reply


def fill(folder: RunFolder, questions: int) -> None:
    """Put questions into the store of a run, and answer every one in the first half."""
    layout = make_layout()
    picture = maze_picture(layout)
    rng = np.random.default_rng(0)

    def long_ago() -> float:  # so that nobody is taken to look at them
        return time.time() - LONG_AGO_S

    with PreferenceStore(folder.preferences, long_ago) as store, store.batch():
        walks = [_walk(layout.num_states, rng) for _ in range(SEGMENTS)]
        hashes = [store.add_segment(walk, picture(walk)) for walk in walks]
        for number in range(questions):
            first, second = rng.choice(SEGMENTS, size=2, replace=False)
            asked = store.ask_stored(hashes[first], hashes[second])
            if number < questions // 2:
                showing = store.show(asked.id, ANNOTATOR, flipped=False)
                store.answer(showing.id, 1.0)


def _walk(num_states: int, rng: np.random.Generator) -> Trajectory:
    states = rng.integers(num_states, size=STEPS + 1)
    observations = np.eye(num_states, dtype=np.float32)[states]
    zero = np.zeros(STEPS)
    return Trajectory(observations, np.zeros(STEPS, np.int64), zero, zero, False)


def measure(questions: int, answers: int) -> Row:
    """Return what answering so many pairs of so many questions takes."""
    with tempfile.TemporaryDirectory() as place:
        folder = RunFolder.create(Path(place) / "run", TrainConfig())
        fill(folder, questions)
        page = Page(folder)
        try:
            return _timed(page, questions, answers)
        finally:
            page.close()


def _timed(page: Page, questions: int, answers: int) -> Row:
    page.ask()  # the first request imports
    asked, answered = [], []
    used, start = page.cpu_s(), time.perf_counter()
    for _ in range(answers):
        before = time.perf_counter()
        pair = page.ask()
        between = time.perf_counter()
        page.answer(pair["showing"])
        asked.append(between - before)
        answered.append(time.perf_counter() - between)
    wall, used = time.perf_counter() - start, page.cpu_s() - used
    return Row(
        questions=questions,
        question_ms=1e3 * float(np.median(asked)),
        answer_ms=1e3 * float(np.median(answered)),
        slowest_ms=1e3 * float(np.quantile(asked + answered, 0.95)),
        answers_per_s=answers / wall,
        cpu_ms=1e3 * used / (2 * answers),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write, and say what came out."""
    options = make_parser(__doc__, "a small store").parse_args(arguments)
    sizes = SMOKE_QUESTIONS if options.smoke else QUESTIONS
    answers = SMOKE_ANSWERS if options.smoke else ANSWERS
    rows = [asdict(measure(size, answers)) for size in sizes]
    with (options.results / FILE).open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        for row in rows:
            table.writerow({name: round(value, 1) for name, value in row.items()})
    for row in rows:
        print("  ".join(f"{name} {value:,.1f}" for name, value in row.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
