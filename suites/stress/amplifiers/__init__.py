"""Knobs that make races likelier: each is a small process beside the loop, told the daemon's pid.

A knob is started with the loop, told of each new daemon, and ended with the loop. It changes
nothing that outlives it. ``available`` says in a sentence why it cannot work here, if it cannot.
"""
