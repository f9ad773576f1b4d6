"""Files that are whole or not there, and nested values and arrays in one of them."""
