import pytest

from oprl_gym import OPRLConfig


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", 0),
        ("batch_size", 1.5),
        ("batch_size", True),
        ("batch_size", "some"),
        ("ensemble_size", -1),
        ("trajectory_capacity", 1),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("max_grad_norm", float("inf")),
        ("holdout_fraction", 1.0),
        ("elite_pairs", 1.5),
        ("elite_share", 0.0),
        ("return_discount", 0.0),
        ("return_discount", "0.9"),
        ("reward_input", "state"),
        ("aggregation", "max"),
        ("ties", "first"),
    ],
)
def test_a_wrong_value_is_named(name, value):
    with pytest.raises(ValueError, match=name) as error:
        OPRLConfig(**{name: value})
    assert repr(value) in str(error.value)


def test_tutorial_settings_are_those_published():
    config = OPRLConfig.tutorial()
    assert (config.hidden_size, config.learning_rate) == (128, 3e-4)
    assert (config.max_grad_norm, config.batch_size) == (1.0, 32)
    assert (config.trajectory_capacity, config.preference_capacity) == (200, 500)
    assert config.min_preferences == 32
    assert (config.reward_input, config.aggregation) == ("obs", "sum")
    assert (config.pairs_per_update, config.gradient_steps) == (1, 3)
    assert (config.ties, config.return_discount) == ("second", 1.0)
    assert (config.holdout_fraction, config.elite_pairs) == (0, 0)
