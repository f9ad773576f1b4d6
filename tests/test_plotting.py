"""The figures, read off their axes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import StepPatch
from PIL import Image

from oprl_gym.config import OPRLConfig
from oprl_gym.envs import make_layout
from oprl_gym.figures import plotting
from oprl_gym.figures.animations import save_gif
from oprl_gym.figures.of_runs import distinct_labels
from oprl_gym.figures.plotting import Curve
from oprl_gym.figures.reward_map import plot_reward_map, reward_frames
from oprl_gym.runs.config import TrainConfig
from oprl_gym.runs.reward_maps import NEVER, RewardMaps

STEPS = np.arange(10, 1_510, 10)  # 150 episodes
SUCCESS = (np.arange(150) >= 75).astype(float)


def xs(line: Line2D) -> np.ndarray:
    return np.asarray(line.get_xdata(), dtype=float)


def ys(line: Line2D) -> np.ndarray:
    return np.asarray(line.get_ydata(), dtype=float)


def texts(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def test_trailing_means_by_hand() -> None:
    means = plotting.trailing_mean(np.array([1.0, 3.0, 5.0, 7.0]), 2)
    assert means.tolist() == [1.0, 2.0, 4.0, 6.0]
    assert plotting.trailing_mean(np.zeros(0), 3).tolist() == []


def test_returns_are_drawn_raw_and_smoothed() -> None:
    ax = plotting.plot_returns(STEPS, 10 * SUCCESS, window=100)
    raw, mean = ax.lines
    assert ys(raw).tolist() == (10 * SUCCESS).tolist()
    assert ys(mean)[-1] == pytest.approx(7.5)  # 75 of the last 100
    assert xs(mean)[0] == 100  # not before there are ten episodes
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("env steps", "return of an episode")
    assert ax.xaxis.get_major_formatter()(12_000, 0) == "12,000"


def test_the_point_where_90_percent_is_reached_is_marked() -> None:
    ax = plotting.plot_success(STEPS, SUCCESS, target=(0.9, 1_400))
    marks = [line for line in ax.lines if line.get_marker() == "o"]
    assert [(xs(m)[0], ys(m)[0]) for m in marks] == [(1_400, 0.9)]
    assert texts(ax) == ["90% at 1,400"]
    unreached = plotting.plot_success(STEPS, SUCCESS, target=(0.9, None))
    assert texts(unreached) == []
    assert unreached.yaxis.get_major_formatter()(0.9, 0) == "90%"


def test_success_over_unknown_episodes_says_so() -> None:
    ax = plotting.plot_success(STEPS, np.full(150, np.nan))
    assert texts(ax) == ["this env reports no success"]
    assert not ax.lines


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_few_points_are_drawn_without_a_made_up_mean(count: int) -> None:
    steps, values = STEPS[:count], np.linspace(1.0, 0.5, count)
    returns = plotting.plot_returns(steps, values)
    assert all(len(xs(line)) == 0 for line in returns.lines[1:])
    plotting.plot_success(steps, np.ones(count)).figure.canvas.draw()


def test_an_accuracy_is_drawn_beside_chance() -> None:
    ax = plotting.plot_accuracy(STEPS[:40], np.linspace(0.5, 0.9, 40))
    chance, accuracy = ax.lines
    assert set(ys(chance)) == {0.5}
    assert ys(accuracy)[-1] == 0.9
    assert texts(ax) == ["chance"]
    assert ax.yaxis.get_major_formatter()(0.9, 0) == "90%"
    nothing = plotting.plot_accuracy(np.zeros(0), np.zeros(0))
    assert texts(nothing) == ["no answer was foretold in this run"]


def test_the_rewards_of_steps_are_drawn_from_step_to_step() -> None:
    ax = plotting.new_figure()[1][0, 0]
    plotting.plot_step_rewards(np.array([0.5, -1.0]), "learned", "black", ax)
    (steps,) = ax.patches
    assert isinstance(steps, StepPatch)
    values, edges, _ = steps.get_data()
    assert (values.tolist(), edges.tolist()) == ([0.5, -1.0], [0, 1, 2])
    assert (ax.get_ylabel(), ax.get_xlim()) == ("learned", (0, 2))


def test_learned_returns_are_drawn_against_those_of_the_env() -> None:
    ax = plotting.plot_learned_returns(np.array([0, 1, 2]), np.array([2.0, 1.0, 0.0]))
    (dots,) = ax.collections
    np.testing.assert_array_equal(dots.get_offsets(), [[0, 2], [1, 1], [2, 0]])
    assert ax.get_title(loc="right") == "rank correlation -1.00"


def test_dots_that_come_later_are_darker() -> None:
    steps = np.array([10, 20])
    ax = plotting.plot_learned_returns(STEPS[:2], STEPS[:2], order=steps, dark="late")
    dots = ax.collections[0]
    early, late = dots.to_rgba(dots.get_array())
    assert sum(late[:3]) < sum(early[:3])
    assert ax.get_xlabel() == "env return (dark: late)"


@pytest.mark.parametrize(
    ("returns", "words"),
    [([], "no episode ended"), ([3.0, 3.0], "all alike: nothing to compare")],
)
def test_learned_returns_without_any_to_compare_say_so(returns, words) -> None:
    ax = plotting.plot_learned_returns(np.array(returns), np.array(returns))
    said = {text.get_text() for text in ax.texts} | {ax.get_title(loc="right")}
    assert words in said


def test_axes_that_are_given_are_drawn_on() -> None:
    figure, axes = plotting.new_figure(1, 2)
    assert plotting.plot_returns(STEPS, SUCCESS, ax=axes[0, 1]) is axes[0, 1]
    assert len(figure.axes) == 2
    assert not axes[0, 0].lines


def test_a_group_has_one_colour_its_mean_and_one_entry_in_the_legend() -> None:
    fast = (STEPS, np.ones(150))
    slow = (STEPS + 20, np.zeros(150))
    ax = plotting.plot_curves(
        [Curve("PPO + OPRL", [fast, slow]), Curve("PPO plain", [slow])]
    )
    legend = ax.get_legend()
    assert legend is not None
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == ["PPO + OPRL (2 seeds)", "PPO plain"]
    first, second, mean, plain = ax.lines[:4]
    assert first.get_color() == second.get_color() == plotting.pale(mean.get_color())
    assert plain.get_color() != mean.get_color()
    np.testing.assert_allclose(ys(mean), 0.5)
    # Only where both runs have a value.
    assert (xs(mean)[0], xs(mean)[-1]) == (120, 1_500)


def test_runs_that_share_no_env_step_have_no_mean() -> None:
    late = (STEPS + 10_000, np.zeros(150))
    ax = plotting.plot_curves([Curve("A", [(STEPS, np.ones(150)), late])])
    assert not len(xs(ax.lines[2]))


def test_runs_of_one_seed_are_not_called_seeds() -> None:
    run = (STEPS, np.ones(150))
    ax = plotting.plot_curves(
        [Curve("A", [run, run], seeds=1), Curve("B", [run, run, run], seeds=2)]
    )
    legend = ax.get_legend()
    assert legend is not None
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == ["A (2 runs, 1 seed)", "B (3 runs, 2 seeds)"]


def test_the_reward_map_shows_walls_start_goal_path_and_numbers() -> None:
    layout = make_layout("S.#\n..G")
    rewards = np.array([[-1.5, 0.2, 9.0], [0.0, 0.4, 0.5]])
    path = [(0, 0), (0, 1), (1, 1), (1, 1), (1, 2)]
    ax = plot_reward_map(layout, rewards, path, "Title")
    (image,) = ax.images
    shown = image.get_array()
    assert shown is not None
    assert np.ma.getmaskarray(shown).tolist() == [[0, 0, 1], [0, 0, 0]]  # the wall
    assert image.get_clim() == (-1.5, 0.5)  # from the worst cell to the best
    bar = ax.figure.axes[1]
    assert bar.get_ylabel() == "learned reward (dark: the agent is drawn there)"
    colors = image.get_cmap()([0.0, 0.5, 1.0])[:, :3].sum(axis=1)
    assert (np.diff(colors) < 0).all()  # the higher, the darker
    arrows = [text for text in ax.texts if text.get_text() == ""]
    assert len(arrows) == 3  # three moves; standing still is none
    assert {"S", "G"} <= set(texts(ax))
    assert len(ax.patches) == 1
    assert ax.get_title(loc="left") == "Title"


def test_cells_that_training_never_came_to_are_hatched_and_have_no_colour() -> None:
    layout = make_layout("S.#\n..G")
    visited = np.array([[True, True, False], [False, True, True]])
    rewards = np.array([[0.0, 1.0, 0.0], [99.0, 2.0, 3.0]])
    ax = plot_reward_map(layout, rewards, [(0, 0)], visited=visited)
    hatched = [patch for patch in ax.patches if patch.get_hatch()]
    assert [patch.get_xy() for patch in hatched] == [(-0.5, 0.5)]  # row 1, column 0
    assert ax.images[0].get_clim() == (0.0, 3.0)
    assert ax.get_xlabel() == "hatched: training never came there"


def test_a_reward_that_moves_has_a_picture_for_every_look() -> None:
    layout = make_layout("S.#\n..G")
    rewards = np.array([np.zeros((2, 3)), np.arange(6.0).reshape(2, 3)])
    entered = np.array([[0, 5, NEVER], [NEVER, 9, 20]])
    maps = RewardMaps(np.array([10, 20]), rewards, entered)
    first, second = reward_frames(layout, maps, "Maze")
    assert first.shape == second.shape
    assert first.dtype == np.uint8
    assert (first != second).any()
    assert maps.visited(10).tolist() == [[True, True, False], [False, True, False]]
    assert maps.visited()[1, 2]


def test_a_map_without_learned_reward_has_no_colours() -> None:
    ax = plot_reward_map(make_layout(), None, [(0, 0)])
    assert not ax.images
    assert len(ax.figure.axes) == 1


def test_pyplot_stays_untouched() -> None:
    """A notebook's own current figure must not change."""
    code = (
        "import sys, numpy as np\n"
        "from oprl_gym.figures import plotting\n"
        "assert 'matplotlib' not in sys.modules\n"
        "ax = plotting.plot_returns(np.arange(20), np.arange(20.0))\n"
        "ax.figure.canvas.draw()\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_labels_name_what_differs_but_the_seed() -> None:
    ppo, a2c = TrainConfig(), TrainConfig(algo="a2c")
    seed = TrainConfig(seed=1, total_timesteps=5)
    assert distinct_labels([ppo, seed, a2c]) == [
        "PPO + OPRL",
        "PPO + OPRL",
        "A2C + OPRL",
    ]
    learner = TrainConfig(learner=OPRLConfig(update_interval=512))
    assert distinct_labels([ppo, learner, a2c]) == [
        "PPO + OPRL, update_interval 256",
        "PPO + OPRL, update_interval 512",
        "A2C + OPRL",
    ]
    plain = TrainConfig(oprl=False)
    unused = TrainConfig(oprl=False, scale=3.0)  # without effect on a plain run
    assert distinct_labels([plain, unused]) == ["PPO plain", "PPO plain"]
    other = TrainConfig(env_id="OPRLMaze-TwoWalls-v0")
    assert distinct_labels([ppo, other]) == [
        "OPRLMaze-v0, PPO + OPRL",
        "OPRLMaze-TwoWalls-v0, PPO + OPRL",
    ]


def test_a_gif_of_a_long_episode_is_thinned_out(tmp_path: Path) -> None:
    frames = [np.full((50, 800, 3), i % 250, dtype=np.uint8) for i in range(400)]
    save_gif(tmp_path / "long.gif", frames)
    with Image.open(tmp_path / "long.gif") as gif:
        assert gif.n_frames <= 151
        assert gif.size == (400, 25)
        assert gif.info["loop"] == 0
