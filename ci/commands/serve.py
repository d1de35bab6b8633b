"""``virtci serve``: a read-only web view over the history."""

from __future__ import annotations

from typing import Annotated

import typer

from ci.commands.history import Database
from ci.history.database import opened
from ci.serve.server import listen
from ci.serve.server import serve as answer

app = typer.Typer()


@app.command()
def serve(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0: any free one.")] = 8642,
    database: Database = "",
) -> None:
    """Show the history to browsers until Ctrl-C. It knows no users: put it behind what does."""
    with opened(database) as history:
        listener = listen(host, port)
        shown = f"[{host}]" if ":" in host else host
        at = f"http://{shown}:{listener.getsockname()[1]}/"
        answer(history, listener, lambda: typer.echo(f"{history.name} at {at}"))
