"""Where the code under test comes from. A new kind is one file and one name in ``Source``."""

from __future__ import annotations

from typing import TypeAlias

from ci.sources.directory import DirectorySource
from ci.sources.git import GitSource
from ci.sources.hg import HgSource
from ci.sources.svn import SvnSource
from ci.sources.tarball import TarballSource

Source: TypeAlias = GitSource | SvnSource | HgSource | DirectorySource | TarballSource
