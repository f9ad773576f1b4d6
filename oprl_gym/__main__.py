"""``python -m oprl_gym`` is ``oprl-gym``."""

import sys

from oprl_gym.cli import main

if __name__ == "__main__":
    sys.exit(main())
