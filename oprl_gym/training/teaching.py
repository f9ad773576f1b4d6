"""Who teaches a training run: a rule, a person now, or answers given before."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stable_baselines3.common.vec_env import VecEnv, unwrap_vec_wrapper

from oprl_gym.callbacks import OPRLCallback
from oprl_gym.labelling.album import Album
from oprl_gym.labelling.clips import maze_picture
from oprl_gym.labelling.recording import new_album
from oprl_gym.learning import OPRLLearner
from oprl_gym.preferences import HumanTeacher, PreferenceStore
from oprl_gym.preferences.human import Picture
from oprl_gym.preferences.store.opening import StoreError
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.env import EnvFacts
from oprl_gym.runs.folder import RunError, RunFolder
from oprl_gym.wrappers import VecProcessReward


def album_for(config: TrainConfig, facts: EnvFacts) -> Album | None:
    """Return where pictures of the env are kept while it is trained in.

    None if no person is asked, or if the env is a maze, which is drawn without.

    Raises:
        RunError: The env has no pictures.
    """
    if config.teaching.teacher != "human" or facts.layout is not None:
        return None
    return new_album(config, facts)


@contextmanager
def teaching(
    config: TrainConfig,
    venv: VecEnv,
    folder: RunFolder,
    album: Album | None = None,
) -> Iterator[OPRLCallback | None]:
    """Give the callback that learns from whom the config names; None without OPRL.

    Args:
        config: Of the run.
        venv: The envs it trains in.
        folder: Where the store is, unless the config names another.
        album: Pictures of the env, if it is no maze.

    Raises:
        RunError: The store cannot be used.
    """
    rewarded = unwrap_vec_wrapper(venv, VecProcessReward)
    if rewarded is None:
        yield None
        return
    if not config.teaching.by_people:
        yield OPRLCallback(config.learner, device=config.device)
        return
    with _open(Path(config.teaching.preferences or folder.own_store())) as store:
        if config.teaching.teacher == "human":
            hint = f"oprl-gym: now run in another shell: oprl-gym label {folder.path}"
            print(hint, file=sys.stderr)
        try:
            yield OPRLCallback(learner=_learner(config, rewarded, store, album))
        except StoreError as error:  # it may break, or be locked, at any time
            raise RunError(str(error)) from error


def check_answers(
    config: TrainConfig, venv: VecEnv, run_dir: str | Path | None
) -> None:
    """Do nothing if the answers that the run would learn from can be used.

    Args:
        config: Of the run.
        venv: The envs it would train in.
        run_dir: Its folder, which may hold answers already; None for a new one.

    Raises:
        RunError: They cannot, or there are none.
    """
    options = config.teaching
    path = options.preferences
    if path is None and options.teacher == "human" and run_dir is not None:
        path = str(RunFolder(Path(run_dir)).own_store())
    rewarded = unwrap_vec_wrapper(venv, VecProcessReward)
    if path is None or rewarded is None:
        return
    if Path(path).is_file():
        with _open(Path(path)) as store:
            _check_spaces(store, rewarded)
    elif options.teacher != "human":
        raise RunError(f"there is no {path} to take answers from")


def _open(path: Path) -> PreferenceStore:
    try:
        return PreferenceStore(path)
    except ValueError as error:
        raise RunError(str(error)) from error


def _learner(
    config: TrainConfig,
    venv: VecProcessReward,
    store: PreferenceStore,
    album: Album | None,
) -> OPRLLearner:
    options = config.teaching
    asks = options.teacher == "human"
    teacher = HumanTeacher(
        store,
        _picture(venv, album),
        max_questions=options.max_questions if asks else 0,
        wait_for=options.wait_for_labels,
        shape=venv.reward_spaces()[0].shape,
    )
    return OPRLLearner(
        *venv.reward_spaces(),
        config.learner,
        teacher,
        config.seed,
        options.which_pairs(),
        config.device,
    )


def _picture(venv: VecProcessReward, album: Album | None) -> Picture:
    if album is not None:
        return album.picture
    return maze_picture(venv.get_attr("layout", 0)[0])


def _check_spaces(store: PreferenceStore, venv: VecProcessReward) -> None:
    """Refuse answers about another env before anything is learned from them."""
    shape = venv.reward_spaces()[0].shape
    for digest in store.segments()[:1]:
        other = store.trajectory(digest).observations.shape[1:]
        if shape is not None and other != shape:
            raise RunError(
                f"{store.path} is about observations of shape {other}, but this env's "
                f"have {shape}; give the --preferences of a run in this env"
            )
