"""Files that are whole or not there, and nested values in one of them."""
