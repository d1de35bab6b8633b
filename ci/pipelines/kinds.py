"""The registers of a plan's kinds: each family's members, from all the folders that have one."""

from __future__ import annotations

from typing import TypeAlias

from ci.build import Builder
from ci.deploy.localhost import LocalHost
from ci.deploy.poolhost import PoolHost
from ci.deploy.sshhost import SshHost
from ci.nested.boot import NestedHost
from ci.obs.local import OscBuilder
from ci.obs.remote import ObsBuilder
from ci.obs.source import ObsSource
from ci.sources import Source

SourceKind: TypeAlias = Source | ObsSource
BuilderKind: TypeAlias = Builder | ObsBuilder | OscBuilder
HostKind: TypeAlias = NestedHost | SshHost | LocalHost | PoolHost
