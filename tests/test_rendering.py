import sys
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import DependencyNotInstalled, ResetNeeded

from oprl_gym.envs.layouts import default_layout, make_layout, parse_layout
from oprl_gym.envs.maze import OPRLMazeEnv
from oprl_gym.envs.rendering import cell_size, render_ansi, render_rgb
from oprl_gym.envs.vector import OPRLMazeVectorEnv

RIGHT, DOWN = 1, 2


def cell_of(picture: np.ndarray, cell: tuple[int, int], size: int = 48) -> np.ndarray:
    row, col = cell
    return picture[row * size : (row + 1) * size, col * size : (col + 1) * size]


def test_text_by_hand() -> None:
    layout = parse_layout("S.#\n..G")
    assert render_ansi(layout, (0, 0), [(0, 0)]) == "@.#\n..G"
    assert render_ansi(layout, (1, 1), [(0, 0), (0, 1), (1, 1)]) == "S*#\n.@G"


def test_the_env_returns_text() -> None:
    env = gym.make("OPRLMaze-v0", layout="S.#\n..G", render_mode="ansi")
    env.reset()
    env.step(DOWN)
    assert env.render() == "S.#\n@.G"
    env.step(RIGHT)
    assert env.render() == "S.#\n*@G"
    env.reset()
    assert env.render() == "@.#\n..G"


def test_a_picture_shows_every_cell() -> None:
    layout = parse_layout("S#.\n..G")
    picture = render_rgb(layout, (1, 0), [(1, 0)], cell=48)
    assert picture.shape == (96, 144, 3)
    assert picture.dtype == np.uint8
    start, wall, free, agent, goal = (
        cell_of(picture, cell) for cell in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 2)]
    )
    assert wall.mean() < 120 < free.mean()
    looks = {cell.tobytes() for cell in (start, wall, free, agent, goal)}
    assert len(looks) == 5


def test_the_agent_and_its_trail_are_seen() -> None:
    layout = default_layout()
    alone = render_rgb(layout, (0, 2), [(0, 2)])
    with_trail = render_rgb(layout, (0, 2), [(0, 0), (0, 1), (0, 2)])
    changed = np.argwhere((alone != with_trail).any(axis=2)) // 48
    assert {tuple(cell) for cell in changed.tolist()} == {(0, 0), (0, 1), (0, 2)}


def test_an_old_trail_has_faded() -> None:
    layout = default_layout()
    stay = [(0, 1)] * 60
    fresh = render_rgb(layout, (0, 1), [(0, 0), (0, 1)])
    old = render_rgb(layout, (0, 1), [(0, 0), *stay])
    assert fresh[24, 40].sum() < old[24, 40].sum()


def test_heat_colours_free_cells_only() -> None:
    layout = parse_layout("S#..\n...G")
    heat = np.array([[0.0, 5.0, 1.0, -1.0], [np.nan, 0.5, 0.0, 0.0]])
    picture = render_rgb(layout, (0, 0), [(0, 0)], heat=heat).astype(int)
    plain = render_rgb(layout, (0, 0), [(0, 0)]).astype(int)
    warm, cold, faint = (
        picture[row * 48 + 8, col * 48 + 8] for row, col in [(0, 2), (0, 3), (1, 1)]
    )
    assert warm[0] > warm[2]
    assert cold[2] > cold[0]
    assert warm[2] < faint[2]
    for cell in [(0, 0), (0, 1), (1, 0), (1, 2)]:
        inner = (slice(3, -3), slice(3, -3))
        np.testing.assert_array_equal(
            cell_of(picture, cell)[inner], cell_of(plain, cell)[inner]
        )


@pytest.mark.parametrize("value", [0.0, np.nan, 3.0])
def test_any_constant_heat_can_be_drawn(value: float) -> None:
    layout = default_layout()
    assert render_rgb(layout, (0, 0), [], heat=np.full((8, 8), value)).any()


def test_large_mazes_make_pictures_of_the_same_size() -> None:
    assert cell_size(default_layout(8)) == 48
    assert cell_size(default_layout(32)) == 20
    assert cell_size(default_layout(64)) == 10


def test_the_env_draws_its_episode_and_its_heat() -> None:
    env = gym.make("OPRLMaze-v0", render_mode="rgb_array")
    env.reset()
    env.step(RIGHT)
    expected = render_rgb(make_layout(), (0, 1), [(0, 0), (0, 1)])
    np.testing.assert_array_equal(env.render(), expected)
    heat = np.arange(64.0).reshape(8, 8)
    env.unwrapped.set_heat(heat)
    heat[:] = 0  # a layer that followed the caller's array would change unasked
    assert not np.array_equal(env.render(), expected)
    env.unwrapped.set_heat(None)
    np.testing.assert_array_equal(env.render(), expected)


def test_heat_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(64,\).*8 x 8"):
        OPRLMazeEnv().set_heat(np.zeros(64))


def test_the_vector_env_draws_every_maze() -> None:
    arguments: dict[str, Any] = {"layout": "S..\n..G", "render_mode": "rgb_array"}
    envs = OPRLMazeVectorEnv(2, max_episode_steps=3, **arguments)
    scalars = [gym.make("OPRLMaze-v0", **arguments) for _ in range(2)]
    heat = np.arange(6.0).reshape(2, 3)
    envs.set_heat(heat)
    envs.reset()
    for env in scalars:
        env.reset()
        env.unwrapped.set_heat(heat)
    envs.step(np.array([RIGHT, DOWN]))
    for env, action in zip(scalars, (RIGHT, DOWN), strict=True):
        env.step(action)
    np.testing.assert_array_equal(envs.render(), [env.render() for env in scalars])
    for _ in range(3):
        envs.step(np.array([RIGHT, 0]))
    for env in scalars:
        env.reset()
    second = envs.render()
    assert second is not None
    np.testing.assert_array_equal(second[1], scalars[1].render())


@pytest.mark.parametrize("mode", ["rgb_array", "ansi", "human"])
def test_drawing_before_reset_is_refused(mode: str) -> None:
    with pytest.raises(ResetNeeded, match="nothing to draw"):
        OPRLMazeEnv(render_mode=mode).render()


def test_drawing_batches_before_reset_is_refused() -> None:
    with pytest.raises(ResetNeeded, match="nothing to draw"):
        OPRLMazeVectorEnv(2, render_mode="rgb_array").render()


def test_render_without_a_mode_says_what_to_do() -> None:
    for env in (OPRLMazeEnv(), OPRLMazeVectorEnv(2)):
        env.reset()
        with pytest.warns(UserWarning, match="render_mode="):
            assert env.render() is None


def test_a_window_opens_shows_the_picture_and_closes() -> None:
    pygame = pytest.importorskip("pygame")
    env = gym.make("OPRLMaze-v0", layout="S..\n..G", render_mode="human")
    env.reset()
    env.step(RIGHT)
    assert env.render() is None
    shown = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
    layout = env.unwrapped.layout
    expected = render_rgb(layout, (0, 1), [(0, 0), (0, 1)])
    np.testing.assert_array_equal(shown, expected)
    env.close()
    assert not pygame.display.get_init()
    env.close()


def test_the_user_may_close_the_window_and_the_episode_goes_on() -> None:
    pygame = pytest.importorskip("pygame")
    env = gym.make("OPRLMaze-v0", render_mode="human")
    env.reset()
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    env.step(RIGHT)
    assert not pygame.display.get_init()
    assert env.step(RIGHT)[4]["position"] == (0, 2)
    assert not pygame.display.get_init()
    env.close()


def test_an_env_survives_another_ones_window_being_closed() -> None:
    """Pygame has one display: closing an evaluation env must not stop the training."""
    first, second = (OPRLMazeEnv(render_mode="human") for _ in range(2))
    first.reset()
    second.reset()
    second.close()
    assert first.step(RIGHT)[4]["position"] == (0, 1)
    first.close()


def test_missing_pygame_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pygame", None)
    with pytest.raises(DependencyNotInstalled, match="pip install pygame-ce"):
        OPRLMazeEnv(render_mode="human").reset()
