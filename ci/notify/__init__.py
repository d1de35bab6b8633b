"""Telling people of a run: when it is worth it, shortly, and once."""
