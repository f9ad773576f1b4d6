"""``oprl-gym evaluate``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from oprl_gym.cli.trust import NO_TRUST, Trust
from oprl_gym.runs.folder import RunError, RunFolder
from oprl_gym.runs.report import rate
from oprl_gym.runs.success import GOAL

if TYPE_CHECKING:
    from oprl_gym.runs.evaluation import Evaluation

MOST_EPISODES = 1_000_000


@dataclass(frozen=True)
class Evaluate:
    """Let a run's agent play on the plain env, without the learned reward."""

    directory: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="DIR")]
    """The run folder."""

    episodes: int = 100
    """Episodes to play, twice: with the likeliest actions, and with sampled ones."""

    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print JSON, with the names of summary.json."""

    trust: Annotated[Trust, tyro.conf.arg(name="")] = NO_TRUST

    def run(self) -> None:
        """Evaluate."""
        if self.episodes < 1:
            raise RunError(f"--episodes {self.episodes} is too few; give 1 or more")
        if self.episodes > MOST_EPISODES:
            raise RunError(
                f"--episodes is at most {MOST_EPISODES:,}, got {self.episodes}"
            )
        folder = RunFolder.open(self.directory)
        import torch

        from oprl_gym.runs.evaluation import evaluate
        from oprl_gym.runs.policy import load_policy

        torch.set_num_threads(1)
        config = folder.config()
        self.trust.vouch(config)
        model = load_policy(folder)
        has_goal = folder.summary().success_means == GOAL
        greedy, sampled = (
            evaluate(model, config, self.episodes, deterministic, has_goal)
            for deterministic in (True, False)
        )
        results = _results(config.env_id, greedy, sampled)
        print(json.dumps(results, indent=2) if self.json else _text(results))


def _results(env_id: str, greedy: Evaluation, sampled: Evaluation) -> dict[str, Any]:
    return {
        "env_id": env_id,
        "eval_episodes": greedy.episodes,
        "final_success_rate": greedy.success_rate,
        "sampled_success_rate": sampled.success_rate,
        "eval_return_mean": greedy.return_mean,
        "eval_length_mean": greedy.length_mean,
    }


def _text(results: dict[str, Any]) -> str:
    greedy, sampled = results["final_success_rate"], results["sampled_success_rate"]
    lines = [
        f"{results['env_id']}, {results['eval_episodes']} episodes",
        f"success  {rate(greedy)} greedy, {rate(sampled)} sampled",
        f"return   {results['eval_return_mean']:g} greedy",
        f"length   {results['eval_length_mean']:g} steps greedy",
    ]
    if greedy is None:
        del lines[1]
    return "\n".join(lines)
