"""Says what is tested with what: ``python tests/compatibility.py``.

Every row is made from the parameters of the test that it names, so none is untested.
"""

from __future__ import annotations

from typing import Any

import test_callback
import test_checkpoint
import test_images
import test_other_callbacks
import test_real_envs
import test_replay
import test_rl_zoo3
import test_wrapper_orders
import test_wrappers
from support.tested import Tested, always, code, row, spaces_of
from support.wrapper_orders import Calendar, Pictures

HEAD = """\
# What it is tested with

Made by `python tests/compatibility.py > docs/compatibility.md` from the parameters of
the tests; a test compares the two. Wrappers are given as the code that builds them,
where `make_env` returns an env. "Refused" quotes the remedy that the error names.
"""
COLUMNS = ("space", "wrappers", "agent", "outcome", "tested by")


def real_env(name: str, **_: Any) -> str:
    """Return an env's name and spaces."""
    return f"{name}: {spaces_of(test_real_envs.ENVS[name]())}"


def off_policy_env(name: str, **_: Any) -> str:
    """Return the spaces of an env of an off-policy agent."""
    return f"{name}: {spaces_of(test_replay.VECTOR_ENVS[name]())}"


def counting_env(order: Any = None, **_: Any) -> str:
    """Return the spaces of the env in an order of wrappers."""
    pictures = order is not None and "make_pictures" in order.code
    return f"an env that counts: {spaces_of(Pictures() if pictures else Calendar())}"


def refusal(order: Any, kind: type, **_: Any) -> str:
    """Return what is said of an order that cannot work."""
    return f"refused: {code(order.refusal(kind))}"


AROUND = "VecProcessReward(make_vec_env(make_env, {}))"
INSIDE = "make_vec_env(make_env, 2, wrapper_class=ProcessRewardWrapper)"
MAZE = "OPRLMaze-v0: Box(64); Discrete(4)"
SECTIONS = {
    "Envs that people have": [
        Tested(
            test_real_envs.test_an_agent_learns_in,
            real_env,
            always(code("ProcessRewardWrapper(env)")),
        ),
        Tested(
            test_real_envs.test_several_together_learn_in,
            real_env,
            always(code(AROUND.format(3))),
            always("PPO"),
        ),
        Tested(
            test_real_envs.test_without_stable_baselines3_any_nesting_is_learned_from,
            lambda make, label, **_: f"{label}: {spaces_of(make())}",
            always(code("ProcessRewardWrapper(env)")),
            always("without Stable-Baselines3"),
        ),
        Tested(
            test_real_envs.test_a_vector_of_nested_observations_is_learned_from,
            always(f"nested: {spaces_of(test_real_envs.Compass())}"),
            always(code("ProcessRewardVectorWrapper(SyncVectorEnv([make_env] * 3))")),
            always("without Stable-Baselines3"),
        ),
        Tested(
            test_images.test_an_agent_with_a_picture_policy_learns_beside_it,
            lambda first, **_: f"pictures: {spaces_of(test_images.BrightSpot(first))}",
            always(code("ProcessRewardWrapper(env)")),
            always("PPO, CnnPolicy"),
        ),
    ],
    "Agents of sb3-contrib": [
        Tested(
            test_real_envs.test_agents_of_sb3_contrib_learn,
            always(MAZE),
            lambda outer, **_: code(AROUND.format(2) if outer else INSIDE),
            lambda name, **_: name,
        )
    ],
    "Off-policy agents and their replay buffer": [
        Tested(
            test_replay.test_an_agent_learns_with_rewards_of_today,
            lambda label, **_: label.partition(": ")[0],
            lambda label, **_: code(label.partition(": ")[2]),
        ),
        Tested(
            test_replay.test_with_the_same_weights_the_reward_is_the_one_the_wrapper_gave,
            off_policy_env,
            lambda mode, **_: mode,
            lambda name, **_: "SAC" if name == "Pendulum" else "DQN",
        ),
    ],
    "Orders of wrappers": [
        Tested(
            test_wrapper_orders.test_rewards_episodes_and_the_reported_return_are_right,
            counting_env,
            lambda order, **_: code(order),
        ),
        Tested(
            test_wrapper_orders.test_an_order_that_cannot_work_is_refused_with_the_remedy,
            counting_env,
            lambda order, **_: code(order),
            outcome=refusal,
        ),
        Tested(
            test_wrapper_orders.test_the_native_maze_is_learned_in_as_single_mazes_are,
            always("OPRLMazeVecEnv: Box(6); Discrete(4)"),
            lambda order, **_: code(order.replace("venv", "OPRLMazeVecEnv(2)")),
        ),
        Tested(
            test_callback.test_the_reward_model_is_learned_and_reaches_the_envs,
            always(MAZE),
            lambda label, **_: label,
        ),
    ],
    "Other callbacks": [
        Tested(
            test_other_callbacks.test_an_eval_callback_reports_the_envs_own_return,
            counting_env,
            lambda eval_env, **_: code(f"EvalCallback({eval_env})"),
        ),
        Tested(
            test_other_callbacks.test_after_training_a_monitor_inside_reports_the_envs_own_return,
            counting_env,
            lambda env, **_: code(f"evaluate_policy(model, {env})"),
        ),
        Tested(
            test_other_callbacks.test_an_eval_env_under_vec_normalize_is_wrapped_like_the_agents,
            counting_env,
            always(code(f"EvalCallback(VecNormalize({AROUND.format(2)}))")),
        ),
        Tested(
            test_other_callbacks.test_evaluating_in_the_agents_own_env_is_refused,
            counting_env,
            always(code("EvalCallback(model.get_env())")),
            outcome=always("refused: `needs an env of its own`"),
        ),
        Tested(
            test_other_callbacks.test_a_checkpoint_can_be_learned_on_from,
            counting_env,
            always(code("CheckpointCallback") + ", with buffer and VecNormalize"),
        ),
        Tested(
            test_other_callbacks.test_learning_goes_on_in_a_second_learn,
            counting_env,
            lambda label, **_: (
                code(f"learn(callback={label}, progress_bar=True)")
                + ", thrice, with and without "
                + code("reset_num_timesteps")
            ),
        ),
    ],
    "Broken off and resumed, equal to the bit": [
        Tested(
            test_checkpoint.test_a_resumed_run_equals_an_uninterrupted_one_to_the_bit,
            lambda name, **_: name.partition(": ")[2],
            always("with `EpisodeTape` in each env"),
            lambda name, **_: name.partition(": ")[0],
        ),
    ],
    "Gymnasium": [
        Tested(
            test_wrappers.test_vector_envs_of_all_kinds_stream_the_same,
            always("an env that counts: Box(1); Discrete(5)"),
            lambda kind, mode, copy, **_: code(
                f"ProcessRewardVectorWrapper({kind.__name__}([make_env] * 2, "
                f"autoreset_mode={mode}, copy={copy}))"
            ),
            always("without Stable-Baselines3"),
        ),
        Tested(
            test_wrappers.test_the_wrapper_is_rebuilt_from_its_spec,
            always(MAZE),
            lambda label, **_: f"`gym.make` and `gym.make_vec` of a spec: {label}",
            always("without Stable-Baselines3"),
        ),
    ],
    "rl_zoo3": [
        Tested(
            test_rl_zoo3.test_the_commands_of_the_readme_train_with_a_process_reward,
            always(MAZE),
            lambda command, **_: code(test_rl_zoo3.option(command, "--conf-file")),
            lambda command, **_: test_rl_zoo3.option(command, "--algo").upper(),
        )
    ],
}


def page() -> str:
    """Return docs/compatibility.md."""
    lines = [HEAD]
    for title, tests in SECTIONS.items():
        lines += [f"## {title}", "", row(*COLUMNS), row(*["---"] * len(COLUMNS))]
        lines += [line for tested in tests for line in tested.rows()]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    print(page(), end="")
