"""Slow leaks of the daemon are found; a steady daemon is not accused."""

from __future__ import annotations

import os
from random import Random

from suites.stress.vitals import MOST, Vitals, read_vitals


def watched(descriptors: float, memory: float, samples: int = 200) -> Vitals:
    """A daemon that gains so much per iteration, with noise."""
    random, iteration = Random("vitals"), [0]

    def read(_: int) -> tuple[float, float, float]:
        n = iteration[0]
        return (30 + int(n * descriptors), 17, 40_000 + n * memory + random.randrange(2000))

    made = Vitals(read, every=0.0)
    for n in range(samples):
        iteration[0] = n
        made.look(1, n)
    return made


def test_a_steady_daemon_is_not_accused() -> None:
    assert watched(0, 0).leaks() == ()


def test_a_descriptor_in_ten_iterations_is_a_leak_with_its_rate() -> None:
    (said,) = watched(0.1, 0).leaks()
    assert said.startswith("the daemon leaks file descriptors: +10.0 per 100 iterations")


def test_memory_counts_when_it_is_worth_a_word() -> None:
    assert "memory: +10," in watched(0, 100).leaks()[0]
    assert watched(0, 5).leaks() == ()


def test_few_samples_accuse_nobody() -> None:
    assert watched(1, 1000, samples=12).leaks() == ()


def test_one_descriptor_in_each_of_twenty_iterations_is_enough() -> None:
    (said,) = watched(1, 0, samples=20).leaks()
    assert said.startswith("the daemon leaks file descriptors: +100.0 per 100 iterations")


def test_long_loops_keep_few_samples() -> None:
    made = watched(0.1, 0, samples=10 * MOST)
    assert len(made._samples) < MOST
    assert made.leaks()


def test_another_daemon_begins_anew() -> None:
    made = watched(1, 0)
    made.look(2, 200)
    assert made.leaks() == ()


def test_this_process_can_be_read() -> None:
    descriptors, threads, memory = read_vitals(os.getpid())
    assert descriptors > 2
    assert threads >= 1
    assert memory > 1000


def test_a_process_that_is_gone_is_no_error() -> None:
    Vitals().look(2**22 + 1, 1)
