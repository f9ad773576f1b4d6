"""The page that says what is tested with what."""

from pathlib import Path

import compatibility
import pytest
from support.tested import cases

DOCS = Path(__file__).resolve().parent.parent / "docs" / "compatibility.md"


def test_the_page_is_what_the_tests_parameters_give():
    remedy = "python tests/compatibility.py > docs/compatibility.md"
    assert DOCS.read_text() == compatibility.page(), remedy


@pytest.mark.parametrize("colour", ["red", "green"])
@pytest.mark.parametrize(
    ("size", "shape"), [(1, "round"), pytest.param(2, "flat")], ids=["small", "large"]
)
def _some_test(colour, size, shape):
    """Not a test: its marks are read below."""


def test_cases_are_those_that_pytest_makes():
    assert list(cases(_some_test)) == [
        {"size": size, "shape": shape, "label": name, "colour": colour}
        for size, shape, name in [(1, "round", "small"), (2, "flat", "large")]
        for colour in ("red", "green")
    ]
