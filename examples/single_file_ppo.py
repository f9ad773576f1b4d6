"""PPO in one file, in the style of CleanRL: a Gymnasium vector env and our learner.

    python examples/single_file_ppo.py
    python examples/single_file_ppo.py --no-oprl

With the learned reward the latest 100 episodes all succeed after 25,600 steps (seed 0).
"""

from __future__ import annotations

import argparse
from collections import deque

import gymnasium as gym
import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical

from oprl_gym import OPRLLearner
from oprl_gym.wrappers import ProcessRewardVectorWrapper

N_ENVS, N_STEPS, EPOCHS, MINIBATCH = 8, 128, 10, 256
GAMMA, LAMBDA, CLIP, ENTROPY, LEARNING_RATE = 0.99, 0.95, 0.2, 0.01, 3e-4


class Agent(nn.Module):
    """A policy and a value function, two hidden layers each."""

    def __init__(self, n_inputs: int, n_actions: int) -> None:
        super().__init__()
        self.policy = network(n_inputs, n_actions)
        self.value = network(n_inputs, 1)

    def forward(self, observations: torch.Tensor) -> tuple[Categorical, torch.Tensor]:
        """Return the distribution of actions and the values of observations."""
        logits = self.policy(observations)
        return Categorical(logits=logits), self.value(observations).squeeze(-1)


def network(n_inputs: int, n_outputs: int) -> nn.Sequential:
    """Return a network with two hidden layers."""
    return nn.Sequential(
        nn.Linear(n_inputs, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(),
        nn.Linear(64, n_outputs),
    )  # fmt: skip


def main() -> None:
    """Train, and print how many of the latest 100 episodes succeeded."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--env-id", default="oprl_gym:OPRLMaze-TwoWalls-v0")
    parser.add_argument("--total-timesteps", type=int, default=40_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-oprl", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)  # faster with networks as small as these
    torch.manual_seed(options.seed)

    envs = gym.make_vec(options.env_id, num_envs=N_ENVS)
    envs = ProcessRewardVectorWrapper(envs, gamma=GAMMA)
    learner = OPRLLearner(
        envs.single_observation_space, envs.single_action_space, seed=options.seed
    )
    agent = Agent(envs.single_observation_space.shape[0], envs.single_action_space.n)
    optimizer = torch.optim.Adam(agent.parameters(), lr=LEARNING_RATE, eps=1e-5)
    successes: deque[bool] = deque(maxlen=100)

    observations, _ = envs.reset(seed=options.seed)
    began = np.zeros(N_ENVS, dtype=bool)  # this step only resets the env
    for update in range(options.total_timesteps // (N_ENVS * N_STEPS)):
        rollout: list[tuple] = []
        for _ in range(N_STEPS):
            seen = torch.as_tensor(observations, dtype=torch.float32)
            with torch.no_grad():
                chances, values = agent(seen)
                actions = chances.sample()
            observations, rewards, terminated, truncated, infos = envs.step(
                actions.numpy()
            )
            ended = terminated | truncated
            rollout.append(
                (seen, actions, chances.log_prob(actions), values, rewards,
                 terminated, ended, ~began)
            )  # fmt: skip
            successes.extend(infos["is_success"][ended])
            began = ended  # Gymnasium resets in the step after the last
        learn(agent, optimizer, rollout, observations)
        if not options.no_oprl:
            learner.update(envs.pop_episodes(), rounds=4)
            envs.load_reward_state(learner.reward_state())
        steps = (update + 1) * N_ENVS * N_STEPS
        if (update + 1) % 5 == 0:
            print(f"{steps:>7,} steps: {np.mean(successes):.0%} success", flush=True)


def learn(
    agent: Agent, optimizer: torch.optim.Adam, rollout: list, last: np.ndarray
) -> None:
    """Improve the agent by a rollout, in which every tensor has shape (T, N, ...)."""
    seen, actions, old_log, values = (
        torch.stack([step[i] for step in rollout]) for i in range(4)
    )
    rewards, terminated, ended, real = (
        torch.as_tensor(np.stack([step[i] for step in rollout])) for i in range(4, 8)
    )
    with torch.no_grad():
        after = agent(torch.as_tensor(last, dtype=torch.float32))[1]
    advantages = torch.zeros_like(values)
    carried = torch.zeros(N_ENVS)
    for t in reversed(range(N_STEPS)):
        # Of a truncated episode's last step `after` is the value of where it was cut.
        goes_on = ~terminated[t]
        surprise = rewards[t].float() + GAMMA * after * goes_on - values[t]
        carried = surprise + GAMMA * LAMBDA * carried * ~ended[t]
        advantages[t] = carried
        after = values[t]
    returns = advantages + values
    used = real.flatten().nonzero().squeeze(-1)  # steps that only reset teach nothing
    parts = (seen, actions, old_log, advantages, returns)
    flat = [part.flatten(0, 1)[used] for part in parts]
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(used)).split(MINIBATCH):
            loss = ppo_loss(agent, *(x[rows] for x in flat))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
            optimizer.step()


def ppo_loss(
    agent: Agent,
    seen: torch.Tensor,
    actions: torch.Tensor,
    old_log: torch.Tensor,
    advantages: torch.Tensor,
    returns: torch.Tensor,
) -> torch.Tensor:
    """Return the clipped loss of Schulman et al. 2017, arXiv:1707.06347."""
    chances, values = agent(seen)
    advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    ratio = (chances.log_prob(actions) - old_log).exp()
    gain = torch.min(ratio * advantages, ratio.clamp(1 - CLIP, 1 + CLIP) * advantages)
    value_loss = (values - returns).square().mean()
    return -gain.mean() + 0.5 * value_loss - ENTROPY * chances.entropy().mean()


if __name__ == "__main__":
    main()
