"""The ladder benchmark; see README.md in this folder."""
