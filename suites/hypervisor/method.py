"""Which C function of libvirt a method of its Python binding calls: its byte code tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import libvirt

CALL_SECONDS = 30.0
LONG_SECONDS = 150.0  # calls that move memory or disks
LONG = ("Save", "Restore", "CoreDump", "Migrate", "Snapshot", "Wipe", "Clone", "Upload", "Build")
# methods of the binding that are loops over a C function, or call one by another name
OTHER_NAMES = {
    "listDomainsID": "virConnectListDomains",
    "sendAll": "virStreamSendAll",
    "recvAll": "virStreamRecvAll",
    "sparseSendAll": "virStreamSparseSendAll",
    "sparseRecvAll": "virStreamSparseRecvAll",
}


@dataclass(frozen=True, slots=True)
class Method:
    """What a call of the binding is in libvirt: its function, its arguments, its time."""

    function: str  # libvirt's C name; empty when the binding answers by itself
    names: tuple[str, ...]
    seconds: float


_methods: dict[tuple[Any, str], Method] = {}


def method_of(owner: Any, name: str) -> Method:
    """Of an object of the binding, or of its module. Raises AttributeError."""
    if (owner, name) not in _methods:
        _methods[owner, name] = _read_method(owner, name)
    return _methods[owner, name]


def _read_method(owner: Any, name: str) -> Method:
    code = getattr(owner, name).__code__
    called = [n for n in code.co_names if n.startswith("vir") and not hasattr(libvirt, n)]
    function = OTHER_NAMES.get(name) or (called[0] if called else "")
    names = code.co_varnames[: code.co_argcount]
    seconds = LONG_SECONDS if any(word in function for word in LONG) else CALL_SECONDS
    return Method(function, names[1:] if names[:1] == ("self",) else names, seconds)


def failed_function(error: libvirt.libvirtError) -> str:
    """The C function that raised ``error``; empty when it came from elsewhere."""
    return str(getattr(error, "__notes__", [""])[-1])
