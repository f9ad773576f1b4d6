"""Episodes: recorded, cut, packed. Nobody judges them in here."""
