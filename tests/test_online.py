"""When the reward model is due for an update."""

import pytest

from oprl_gym import OPRLConfig
from oprl_gym.learning.online import rounds_due


@pytest.mark.parametrize(
    ("steps", "updated_at", "due"),
    [
        (255, 0, (0, 0)),
        (256, 0, (1, 256)),
        (300, 256, (0, 256)),
        (1024, 0, (4, 1024)),
        (1100, 0, (4, 1024)),  # what is over counts towards the next
        (51_200, 50_700, (0, 50_700)),  # 1 % of all steps so far is now more than 256
        (51_200, 50_688, (1, 51_200)),
    ],
)
def test_an_update_is_due_every_interval_which_grows(steps, updated_at, due):
    config = OPRLConfig(update_interval=256, interval_growth=0.01)
    assert rounds_due(config, steps, updated_at) == due
