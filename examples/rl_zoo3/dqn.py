"""Off-policy: a configuration in Python, as the replay buffer is named by its class."""

from oprl_gym.callbacks import ProcessRewardReplayBuffer

hyperparams = {
    "OPRLMaze-v0": {
        "n_timesteps": 30_000,
        "policy": "MlpPolicy",
        "learning_starts": 500,
        "exploration_fraction": 0.3,
        "replay_buffer_class": ProcessRewardReplayBuffer,
        "env_wrapper": "oprl_gym.wrappers.ProcessRewardWrapper",
        "callback": "oprl_gym.callbacks.OPRLCallback",
    }
}
