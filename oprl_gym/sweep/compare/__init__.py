"""Does it help in this env? A sweep of set arms, and what it answers."""
