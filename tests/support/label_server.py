"""A labelling server in a process of its own, with something to label."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import uvicorn

from oprl_gym.envs import make_layout
from oprl_gym.labelling.clips import Clip, maze_picture
from oprl_gym.labelling.outcome import RunWatch
from oprl_gym.labelling.session import LabellingSession
from oprl_gym.labelling.web import Labelled, make_app
from oprl_gym.preferences import PreferenceStore
from oprl_gym.runs.config import TeachingConfig, TrainConfig
from oprl_gym.runs.episode_log import Episode, EpisodeLog
from oprl_gym.runs.folder import RunFolder
from oprl_gym.types import Trajectory
from support.fakes import trajectory

LAYOUT = make_layout("TwoWallsLong")


def walk(actions: str) -> Trajectory:
    """Return the way of "r", "d", "l", "u" through the maze, blocked moves included."""
    from oprl_gym.envs.dynamics import transition_table

    table = transition_table(LAYOUT.walls).reshape(-1, 4)
    states = [LAYOUT.state(LAYOUT.start)]
    for action in actions:
        states.append(int(table[states[-1], "urdl".index(action)]))
    return trajectory(states, n_states=LAYOUT.num_states)


def random_walk(rng: np.random.Generator, steps: int = 30) -> Trajectory:
    """Return a way that goes right and down more often than back."""
    return walk("".join(rng.choice(list("rdlu"), p=[0.3, 0.4, 0.1, 0.2], size=steps)))


def run_with_pairs(path: Path, pairs: int, env_id: str = "Maze") -> RunFolder:
    """Return the folder of a run that is going on, and has asked about pairs."""
    folder = RunFolder.create(path, TrainConfig(env_id=env_id))
    rng = np.random.default_rng(0)
    picture = maze_picture(LAYOUT)
    with open_store(folder) as store:
        for _ in range(pairs):
            first, second = random_walk(rng), random_walk(rng)
            store.ask(first, second, (picture(first), picture(second)))
    return folder


def finished_run(path: Path, config: TrainConfig) -> RunFolder:
    """Return the folder of a run that is over, of whose episodes the last succeed."""
    folder = RunFolder.create(path, config)
    episodes = [Episode(60 * n, 0.0, 60, success=n > 250) for n in range(400)]
    EpisodeLog.of(episodes).write(folder.file("episodes.csv"))
    folder.file("summary.json").write_text("{}")
    return folder


def taught_run(path: Path, pairs: int, answered: int = 0) -> RunFolder:
    """Return the folder of a run that is over, and asked people about pairs.

    Args:
        path: Of the folder.
        pairs: How many, of which the model knew something.
        answered: How many of them have an answer.
    """
    teaching = TeachingConfig(teacher="human")
    config = TrainConfig(env_id="OPRLMaze-TwoWallsLong-v0", teaching=teaching)
    return answer_pairs(finished_run(path, config), pairs, answered)


def answer_pairs(folder: RunFolder, pairs: int, answered: int) -> RunFolder:
    """Have bob answer some of so many pairs that a run is given; returns its folder."""
    rng = np.random.default_rng(0)
    picture = maze_picture(LAYOUT)
    with open_store(folder) as store:
        for _ in range(pairs):
            sides = random_walk(rng), random_walk(rng)
            for side in sides:
                side.process_rewards[:] = rng.normal(size=len(side))
            store.ask(*sides, (picture(sides[0]), picture(sides[1])), model_version=1)
        for number in range(answered):
            showing = store.show_next("bob", flipped=False)
            assert showing is not None
            store.answer(showing.id, float(number % 3 > 0))
    return folder


def open_store(folder: RunFolder) -> PreferenceStore:
    """Return the store of a run."""
    return PreferenceStore(folder.preferences)


@dataclass
class Server:
    """A running server and its address."""

    process: subprocess.Popen[str]
    url: str

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.split(":")[2].split("/")[0])

    @property
    def token(self) -> str:
        """The secret in its address."""
        return self.url.rstrip("/").rsplit("/", 1)[1]

    def kill(self) -> None:
        """Kill it without a warning; a second time does nothing."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def start_server(folder: RunFolder, *options: str) -> Server:
    """Start ``oprl-gym label`` on a run and wait for its address."""
    command = [sys.executable, "-m", "oprl_gym", "label", str(folder.path)]
    process = subprocess.Popen(
        [*command, "--port", "0", "--annotator", "ann", *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    assert url.startswith("http://127.0.0.1:"), url
    return Server(process, url)


@contextmanager
def serving(folder: RunFolder, *options: str) -> Iterator[Server]:
    """Serve as long as it takes."""
    server = start_server(folder, *options)
    try:
        yield server
    finally:
        server.kill()


@dataclass
class PageServer:
    """The page's server in a thread of this process, which starts in no time."""

    url: str


@contextmanager
def page_of(
    folder: RunFolder,
    repeats: float = 0.0,
    instructions: str = "",
    agent: Clip | None = None,
) -> Iterator[PageServer]:
    """Serve the page of a run as ``oprl-gym label`` does, but for its command line."""
    watch = RunWatch(folder)
    rng = np.random.default_rng(0)
    with open_store(folder) as store, socket.socket() as listener:
        session = LabellingSession(store, "ann", rng, repeats, watch.training)
        title = folder.config().env_id
        labelled = Labelled(title, instructions, watch, lambda: agent)
        app = make_app(session, labelled, "token")
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_level="error", lifespan="off", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        listener.listen()
        thread.start()
        try:
            yield PageServer(f"http://127.0.0.1:{listener.getsockname()[1]}/token/")
        finally:
            server.should_exit = server.force_exit = True
            thread.join()
