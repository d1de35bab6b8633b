"""Suites as a plan names them, each run in a child process on one host."""

from typing import TypeAlias

from ci.launch.external import AvocadoSuite, JUnitSuite, LibvirtTckSuite, TapSuite
from ci.launch.stress import StressSuite
from ci.launch.tck import TckSuite

Suite: TypeAlias = StressSuite | TckSuite | LibvirtTckSuite | TapSuite | JUnitSuite | AvocadoSuite
