"""The ladder: arms x rungs x algorithms x seeds; see README.md one folder up."""
