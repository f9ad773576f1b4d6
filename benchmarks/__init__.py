"""What is claimed, measured; see README.md in this folder."""
