"""The reward model: what a step looks like to it, how it is fitted, how it scores."""

from oprl_gym.rewards.model import ProcessRewardModel
from oprl_gym.rewards.process_reward import ProcessReward, RewardState
from oprl_gym.rewards.weights_file import load_process_reward, save_process_reward

__all__ = [
    "ProcessReward",
    "ProcessRewardModel",
    "RewardState",
    "load_process_reward",
    "save_process_reward",
]
