"""The public suite: envs that others wrote."""
