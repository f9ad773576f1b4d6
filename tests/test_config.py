import pydoc
from dataclasses import fields

import pytest

from oprl_gym import OPRLConfig


def test_help_explains_every_field_in_their_order():
    text = pydoc.plain(pydoc.render_doc(OPRLConfig))
    explained = text.partition("Attributes:")[2]
    places = [explained.find(f"     {one.name}: ") for one in fields(OPRLConfig)]
    assert -1 not in places
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rule", "novelty"),
        ("return_worth", 0.0),
        ("return_worth", float("inf")),
        ("temperature", 0.0),
        ("temperature", "0.4"),
        ("reward_input", "state"),
        ("see_first_visits", 1),
        ("see_first_visits", "yes"),
        ("hidden_size", 0),
        ("ensemble_size", -1),
        ("reach", 0.0),
        ("reach", "far"),
        ("mean_prior", -0.5),
        ("mean_prior", float("nan")),
        ("revisit_prior", -1.0),
        ("label_smoothing", 0.5),
        ("label_smoothing", -0.1),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("max_grad_norm", float("inf")),
        ("gradient_steps", 0),
        ("update_interval", 1.0),
        ("interval_growth", 1.5),
        ("trajectory_capacity", 1),
        ("best_capacity", -1),
        ("min_preferences", 0),
        ("pairs_per_update", 0),
        ("pairs_per_update", 1.5),
        ("pairs_per_update", True),
        ("pairs_per_update", "some"),
        ("preference_capacity", 0),
        ("batch_size", 0),
        ("batch_size", 1.5),
        ("batch_size", True),
        ("batch_size", "all"),
        ("batch_episodes", 1),
    ],
)
def test_a_wrong_value_is_named(name, value):
    with pytest.raises(ValueError, match=name) as error:
        OPRLConfig(**{name: value})
    assert repr(value) in str(error.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("reach", 1e9),
        ("mean_prior", 0),
        ("revisit_prior", 0),
        ("label_smoothing", 0.0),
        ("interval_growth", 1),
        ("best_capacity", 0),
        ("pairs_per_update", 1),
        ("pairs_per_update", "all"),
        ("batch_episodes", 2),
        ("see_first_visits", False),
    ],
)
def test_the_ends_of_a_range_belong_to_it(name, value):
    assert getattr(OPRLConfig(**{name: value}), name) == value


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"trajectory_capacity": 8, "best_capacity": 0}, "of 8 episodes .* 28 pairs"),
        (
            {"pairs_per_update": 10, "preference_capacity": 20},
            "preference_capacity is 20",
        ),
    ],
)
def test_settings_with_which_nothing_is_ever_learned_are_refused(changes, why):
    with pytest.raises(ValueError, match=f"min_preferences=32 is never .*{why}"):
        OPRLConfig(**changes)
    most = 28 if "best_capacity" in changes else 20
    assert OPRLConfig(**changes, min_preferences=most).min_preferences == most


@pytest.mark.parametrize("gone", ["aggregation", "baseline", "ties", "elite_pairs"])
def test_a_setting_that_is_gone_is_refused(gone):
    with pytest.raises(TypeError, match=gone):
        OPRLConfig(**{gone: 1})


def test_tutorial_settings_are_those_published():
    config = OPRLConfig.tutorial()
    assert (config.hidden_size, config.learning_rate) == (128, 3e-4)
    assert (config.max_grad_norm, config.batch_size) == (1.0, 32)
    assert (config.trajectory_capacity, config.preference_capacity) == (200, 500)
    assert (config.best_capacity, config.min_preferences) == (0, 32)
    assert (config.rule, config.reward_input) == ("tutorial", "obs")
    assert (config.pairs_per_update, config.gradient_steps) == (1, 3)
    assert (config.update_interval, config.interval_growth) == (120, 0.0)
    assert not config.see_first_visits
    assert config.reach >= 1e6  # always to 1
    assert (config.mean_prior, config.revisit_prior) == (0.0, 0.0)
    assert config.label_smoothing == 0.0
