"""``virtci hook``: webhooks of git hosts and build services become orders of Jenkins jobs."""

from __future__ import annotations

import http.client
import logging
import os
import sys
import threading
import time
from pathlib import Path
from typing import Annotated

import typer

from ci.codec import decode, parse_toml, read_text, to_json
from ci.deadline import Deadline, SystemClock
from ci.errors import InfraError, Interrupted, TimedOut, UsageError, VirtciError
from ci.hook.desk import Desk, parameters
from ci.hook.event import HookEvent
from ci.hook.plan import Caller, HookPlan, secrets_of
from ci.hook.replay import Seen
from ci.hook.server import serving
from ci.hook.signature import SIGNATURE, TIME, sign
from ci.hook.spool import Spool, Taken
from ci.jenkins.api import Away, Door
from ci.jenkins.controller import Controller
from ci.jenkins.login import LOOPBACK, login_from
from ci.jenkins.once import known_job, order_once
from ci.jenkins.orders import parse
from ci.pipelines.interrupt import stop_on_signals
from ci.places import cache_folder
from ci.urls import parts_of

app = typer.Typer(no_args_is_help=True)
_log = logging.getLogger(__name__)
ORDER_SECONDS = 120.0
AGAIN_SECONDS = 10.0
EVERY_SECONDS = 0.2
MARK = "REQUEST"  # which jobs of virtci jenkins apply have: by it one call makes one build


@app.command()
def serve(
    file: Annotated[Path, typer.Argument(help="The hook's file: [[callers]] and where to listen.")],
    *,
    anywhere: Annotated[
        bool, typer.Option("--anywhere", help="Allow an address that is not loopback.")
    ] = False,
) -> None:
    """Listen for calls; each genuine one orders a build. Ends at SIGTERM or Ctrl-C."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    text = read_text(file)
    plan = decode(parse_toml(text, file), HookPlan, source=str(file), text=text)
    if plan.address not in LOOPBACK and not anywhere:
        raise UsageError(
            f"{file}: address: {plan.address} can be reached by others, without encryption",
            hint="put a TLS proxy in front of 127.0.0.1, or say --anywhere",
        )
    secrets = secrets_of(plan, os.environ)
    controller = Controller(Door(login_from(os.environ, Path.home())))
    stop = threading.Event()
    spool = Spool(cache_folder("hook", f"{file.stem}.waiting"))
    orders = Orders(plan, controller, spool, stop)
    seen = Seen(cache_folder("hook") / f"{file.stem}.seen")
    desk = Desk(plan, secrets, seen, SystemClock(), orders.accept)
    with stop_on_signals(stop), serving(plan.address, plan.port, desk) as port:
        typer.echo(f"listening on http://{plan.address}:{port} for {len(plan.callers)} callers")
        orders.carry_out()
    raise typer.Exit(0)


@app.command()
def send(
    url: Annotated[str, typer.Argument(help="Where a hook of kind virtci listens.")],
    secret: Annotated[str, typer.Option(help="Environment variable that holds the secret.")],
    fields: Annotated[list[str], typer.Argument(help="project=..., package=..., revision=...")],
) -> None:
    """Call a hook of kind virtci, signed: what a watcher of builds, or a script, does."""
    value = os.environ.get(secret, "").encode()
    if not value:
        raise UsageError(f"the environment variable {secret} is not set")
    body, at = to_json(parse(fields)), f"{time.time():.3f}"
    status, text = _post(url, {TIME: at, SIGNATURE: sign(value, at, body)}, body)
    typer.echo(f"{status} {text}")
    raise typer.Exit(0 if status in (200, 202) else 3)


class Orders:
    """Orders what was taken, the oldest first; kept over restarts of the controller and of us."""

    def __init__(
        self, plan: HookPlan, controller: Controller, spool: Spool, stop: threading.Event
    ) -> None:
        self._callers = {caller.path: caller for caller in plan.callers}
        self._controller, self._spool, self._stop = controller, spool, stop

    def accept(self, caller: Caller, event: HookEvent) -> bool:
        return self._spool.add(caller.path, event)

    def carry_out(self) -> None:
        """Order what comes in, until stopped."""
        while not self._stop.is_set():
            taken = self._spool.first()
            if taken is None:
                self._stop.wait(EVERY_SECONDS)
            elif (caller := self._callers.get(taken.path)) is None:
                _log.error("%s: nobody calls there any more; dropped", taken.path)
                self._spool.done(taken)
            elif self._ordered(caller, taken):
                self._spool.done(taken)

    def _ordered(self, caller: Caller, taken: Taken) -> bool:
        """Whether it is dealt with: ordered, or refused for good."""
        deadline = Deadline.after(ORDER_SECONDS, stop=self._stop)
        try:
            self._once(caller, taken, deadline)
        except (Away, TimedOut) as away:
            _log.warning("%s: %s; again in %.0f s", caller.job, away.message, AGAIN_SECONDS)
            self._stop.wait(AGAIN_SECONDS)
            return False
        except Interrupted:
            return False
        except VirtciError as error:
            _log.error("%s: not ordered: %s", caller.job, error.message)
        return True

    def _once(self, caller: Caller, taken: Taken, deadline: Deadline) -> None:
        job = known_job(self._controller, caller.job, deadline)
        given = parameters(caller, taken.event)
        marked = any(one.name == MARK for one in job.parameters) and MARK not in given
        mark = {MARK: taken.id} if marked else {}
        name = order_once(self._controller, job, given, mark, deadline)
        _log.info("ordered %s with %s", name, given)


def _post(url: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
    parts = parts_of(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{url} is no http(s) URL")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=30)
    try:
        connection.request("POST", parts.path or "/", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read(1000).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        raise InfraError(f"{url} cannot be called: {error}") from None
    finally:
        connection.close()
