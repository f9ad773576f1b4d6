"""The examples in the docstrings are run, and give what they say."""

import doctest
import importlib

import pytest
from test_imports import sources

MODULES = [
    "oprl_gym." + path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    for path, source in sources().items()
    # Those of the extra [rllib] are run where Ray is: tests/rllib/test_rllib_docs.py.
    if not path.startswith("rllib/")
    and any(">>>" in line and "+SKIP" not in line for line in source.splitlines())
]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name):
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 0
    assert result.failed == 0


def test_every_wrapper_and_the_callback_have_an_example():
    documented = {name.rsplit(".", 1)[-1] for name in MODULES}
    assert {
        "gym_env",
        "gym_vector",
        "sb3_vec",
        "oprl",
        "learner",
        "model",
    } <= documented
