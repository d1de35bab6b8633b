"""Shared by all tests: nothing of the user's own folders is ever touched."""
