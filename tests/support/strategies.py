"""Hypothesis strategies for mazes and for walks through them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from oprl_gym.envs.layouts import Layout


@st.composite
def layouts(draw: st.DrawFn, max_side: int = 7) -> Layout:
    """Solvable mazes of any proportions: walls anywhere but on one bent corridor."""
    height = draw(st.integers(1, max_side))
    width = draw(st.integers(1 if height > 1 else 2, max_side))
    cells = st.tuples(st.integers(0, height - 1), st.integers(0, width - 1))
    start, goal = draw(st.lists(cells, min_size=2, max_size=2, unique=True))
    numbers = st.lists(st.booleans(), min_size=height * width, max_size=height * width)
    walls = np.array(draw(numbers)).reshape(height, width)
    top, bottom = sorted((start[0], goal[0]))
    left, right = sorted((start[1], goal[1]))
    walls[top : bottom + 1, start[1]] = False
    walls[goal[0], left : right + 1] = False
    chars = np.where(walls, "#", ".")
    chars[start], chars[goal] = "S", "G"
    return Layout(tuple("".join(row) for row in chars))


def actions(max_size: int = 40) -> st.SearchStrategy[list[int]]:
    """Sequences of moves."""
    return st.lists(st.integers(0, 3), max_size=max_size)
