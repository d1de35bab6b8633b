"""Arguments to one command to one exit code; the only place that catches everything."""

from __future__ import annotations

import errno
import importlib
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from ci.commands import COMMANDS
from ci.errors import EXIT_BUG, EXIT_INTERRUPTED, InfraError, VirtciError
from ci.streams import settle

ABOUT = "Continuous integration for libvirt on Xen and KVM."
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
# what a file system says of a place, whoever of us asked for it
PLACE = (
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR),
    *(errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP, errno.EIO, errno.ESTALE, errno.ETXTBSY),
)


def application(arguments: Sequence[str]) -> typer.Typer:
    """The command line, with only the named command's module imported."""
    app = typer.Typer(
        name="virtci", help=ABOUT, no_args_is_help=True, add_completion=False, rich_markup_mode=None
    )
    app.callback()(_options)
    wanted = next((word for word in arguments if not word.startswith("-")), "")
    for name, (module, text) in COMMANDS.items():
        if name == wanted:
            _register(app, name, text, importlib.import_module(module).app)
        else:
            app.command(name, help=text)(_named_elsewhere)
    return app


def _options(
    *, version: Annotated[bool, typer.Option("--version", help="Say which virtci.")] = False
) -> None:
    if version:
        from importlib.metadata import version as version_of  # noqa: PLC0415 - 30 ms, rarely asked

        typer.echo(f"virtci {version_of('virtci')}")
        raise typer.Exit


def _register(app: typer.Typer, name: str, text: str, module_app: typer.Typer) -> None:
    alone = module_app.registered_commands if not module_app.registered_groups else []
    if len(alone) == 1 and not module_app.registered_callback:
        callback: Callable[..., Any] | None = alone[0].callback
        if callback is None:
            raise TypeError(f"the command {name} has no function")
        app.command(name, help=text)(callback)
    else:
        app.add_typer(module_app, name=name, help=text)


def _named_elsewhere() -> None:
    """Stands for a command that was not asked for."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    settle()
    try:
        application(arguments)(args=list(arguments), prog_name="virtci")
    except VirtciError as error:
        _explain(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("virtci: stopped\n")
        sys.exit(EXIT_INTERRUPTED)
    except OSError as error:
        trouble = _of_this_machine(error)
        if trouble is None:
            _confess()
            sys.exit(EXIT_BUG)
        _explain(trouble)
        sys.exit(trouble.exit_code)
    except Exception:  # noqa: BLE001 - the one catch-all: a bug of ours, told as one
        _confess()
        sys.exit(EXIT_BUG)


def _of_this_machine(error: OSError) -> InfraError | None:
    """What a file system refused, as the lab's trouble; None for anything else."""
    place = error.filename2 or error.filename
    if error.errno in DISK_FULL:
        return InfraError(f"no space left on the disk{f' for {place}' if place else ''}")
    if error.errno in PLACE and place is not None:
        return InfraError(f"{place}: {error.strerror}")
    return None


def _explain(error: VirtciError) -> None:
    sys.stderr.write(f"virtci: {error.message}\n")
    for line in error.detail.splitlines()[-20:]:
        sys.stderr.write(f"    {line}\n")
    if error.hint:
        sys.stderr.write(f"  what to do: {error.hint}\n")


def _confess() -> None:
    traceback.print_exc()
    sys.stderr.write("virtci: this is a bug of virtci itself; please report it with the above\n")


if __name__ == "__main__":
    main()
