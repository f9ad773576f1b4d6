"""The agent of the tutorial that the method started from, written from its description.

The historical reference: one env, whole episodes, epsilon-greedy, REINFORCE with a
baseline on episodes drawn from the latest 200, whoever the policy was that played them.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import gymnasium as gym
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.ladder.recording import Track
from benchmarks.ladder.settings import Arm
from oprl_gym.learning import OPRLLearner
from oprl_gym.types import Array, Trajectory

HIDDEN = 128
LEARNING_RATE = 3e-4
MAX_GRAD_NORM = 1.0
GAMMA = 0.98
VALUE_WEIGHT = 0.5
ENTROPY_WEIGHT = 0.01
KEPT = 200
POLICY_UPDATES = 2
FIRST_POLICY_EPISODE = 11
FIRST_PREFERENCE_EPISODE = 12
"""From here on one pair is judged every two episodes. The first fit needs 32 pairs,
and so comes later than episode 20, before which there should be none."""


class TutorialAgent(nn.Module):
    """Policy and value function on one trunk; draws from the policy, or picks the best.

    Args:
        inputs: Length of an observation.
        actions: How many there are.
        seed: Of the weights and of everything drawn.
    """

    def __init__(self, inputs: int, actions: int, seed: int) -> None:
        super().__init__()
        self.rng = np.random.default_rng(seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.trunk = nn.Sequential(
                nn.Linear(inputs, HIDDEN),
                nn.ReLU(),
                nn.Linear(HIDDEN, HIDDEN),
                nn.ReLU(),
            )
            self.policy = nn.Linear(HIDDEN, actions)
            self.value = nn.Linear(HIDDEN, 1)

    def forward(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Return (T, A) log-probabilities of the actions and (T,) values."""
        features = self.trunk(observations)
        logits = F.log_softmax(self.policy(features), dim=-1)
        return logits, self.value(features).squeeze(-1)

    def explore(self, observation: Array, epsilon: float) -> int:
        """Return a random action with probability epsilon, else one of the policy."""
        if self.rng.random() < epsilon:
            return int(self.rng.integers(self.policy.out_features))
        return int(self.predict(observation[None])[0][0])

    def predict(
        self,
        observation: Array,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[Array, None]:
        """Return (N,) actions, as agents of Stable-Baselines3 do."""
        with torch.no_grad():
            log_probs = self(torch.as_tensor(observation, dtype=torch.float32))[0]
        if deterministic:
            return log_probs.argmax(dim=1).numpy(), None
        noise = self.rng.gumbel(size=log_probs.shape)
        return (log_probs.numpy() + noise).argmax(axis=1), None

    def set_random_seed(self, seed: int) -> None:
        """Seed what is drawn from now on."""
        self.rng = np.random.default_rng(seed)


def train_agent(
    env: gym.Env[Any, Any], arm: Arm, seed: int, track: Track
) -> tuple[TutorialAgent, int]:
    """Train an agent until the track says that it is over.

    Args:
        env: With flat observations and discrete actions.
        arm: Weight and settings of the learned reward.
        seed: Of everything random.
        track: Is told of every episode.

    Returns the agent and the env steps taken.
    """
    env = gym.wrappers.RecordEpisodeStatistics(env)
    env.reset(seed=seed)
    (inputs,) = env.observation_space.shape or ()
    actions: Any = env.action_space
    agent = TutorialAgent(inputs, int(actions.n), seed)
    optimizer = torch.optim.Adam(agent.parameters(), lr=LEARNING_RATE)
    learner = OPRLLearner(env.observation_space, actions, arm.config, seed=seed)
    kept: deque[Trajectory] = deque(maxlen=KEPT)
    fresh: list[Trajectory] = []
    env_steps = number = 0
    while not track.over(env_steps):
        steps_left = track.budget - env_steps
        steps, trajectory, info = _episode(env, agent, _epsilon(number), steps_left)
        env_steps += steps
        if trajectory is None:
            break
        track.note(env_steps, info)
        kept.append(trajectory)
        fresh.append(trajectory)
        if number >= FIRST_PREFERENCE_EPISODE and number % 2 == 0:
            learner.update(fresh)
            fresh = []
        if number >= FIRST_POLICY_EPISODE:
            for _ in range(POLICY_UPDATES):
                drawn = kept[int(agent.rng.integers(len(kept)))]
                _policy_step(agent, optimizer, drawn, _shaped(drawn, learner, arm))
        number += 1
    return agent, env_steps


def discounted_returns(rewards: Array, gamma: float) -> Array:
    """Return what each of T steps earns from there on, later rewards discounted."""
    returns = np.zeros(len(rewards))
    later = 0.0
    for t in reversed(range(len(rewards))):
        later = rewards[t] + gamma * later
        returns[t] = later
    return returns


def _epsilon(number: int) -> float:
    """Return the share of random actions in an episode, counted from 0."""
    return max(0.05, 0.5 - number / 1000)


def _episode(
    env: gym.Env[Any, Any], agent: TutorialAgent, epsilon: float, steps_left: int
) -> tuple[int, Trajectory | None, dict[str, Any]]:
    """Play one episode; it is None if the steps left do not suffice."""
    observation, info = env.reset()
    observations = [observation]
    actions: list[int] = []
    rewards: list[float] = []
    terminated = truncated = False
    while not (terminated or truncated):
        if len(actions) == steps_left:
            return steps_left, None, info
        action = agent.explore(observation, epsilon)
        observation, reward, terminated, truncated, info = env.step(action)
        observations.append(observation)
        actions.append(action)
        rewards.append(float(reward))
    trajectory = Trajectory(
        np.array(observations),
        np.array(actions),
        np.array(rewards),
        np.zeros(len(actions)),
        terminated,
    )
    return len(actions), trajectory, info


def _shaped(trajectory: Trajectory, learner: OPRLLearner, arm: Arm) -> Array:
    """Return the (T,) rewards with the learned score as it is now."""
    scores = learner.process_reward.score_episode(trajectory)
    return trajectory.env_rewards + arm.scale * scores


def _policy_step(
    agent: TutorialAgent,
    optimizer: torch.optim.Optimizer,
    trajectory: Trajectory,
    rewards: Array,
) -> None:
    """Take one gradient step on one episode; its returns are standardised."""
    returns = torch.as_tensor(discounted_returns(rewards, GAMMA), dtype=torch.float32)
    spread = returns.std() if len(returns) > 1 else torch.zeros(())
    returns = (returns - returns.mean()) / (spread + 1e-8)
    observations = torch.as_tensor(trajectory.observations[:-1], dtype=torch.float32)
    log_probs, values = agent(observations)
    taken = log_probs[torch.arange(len(returns)), torch.as_tensor(trajectory.actions)]
    policy_loss = -(taken * (returns - values.detach())).mean()
    value_loss = F.mse_loss(values, returns)
    entropy = -(log_probs.exp() * log_probs).sum(dim=1).mean()
    loss = policy_loss + VALUE_WEIGHT * value_loss - ENTROPY_WEIGHT * entropy
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(agent.parameters(), MAX_GRAD_NORM)
    optimizer.step()
