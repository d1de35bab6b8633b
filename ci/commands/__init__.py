"""The commands, one file each, imported when they are called: ``virtci --help`` imports none."""

from __future__ import annotations

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("ci.commands.run", "Do the whole job that a plan file describes."),
    "plans": ("ci.commands.plans", "List the plans in a folder, and check them."),
    "runs": ("ci.commands.runs", "List the runs there have been."),
    "report": ("ci.commands.report", "Show a run again, and write its reports anew."),
    "history": ("ci.commands.history", "What runs have shown over time: since when, how often."),
    "gate": ("ci.commands.gate", "Judge evidence by a policy: may this be released?"),
    "digest": ("ci.commands.digest", "What ran, broke, was fixed and was proven since a day."),
    "notify": ("ci.commands.notify", "Tell people of a run, once, when it is worth it."),
    "serve": ("ci.commands.serve", "A read-only web view over the history."),
    "doctor": ("ci.commands.doctor", "Say what this machine can do, and how to get the rest."),
    "hosts": ("ci.commands.hosts", "Hosts: a leased pool of machines; images of nested ones."),
    "guest": ("ci.commands.guest", "Build the tiny guest that is looped."),
    "obs": ("ci.commands.obs", "Open Build Service: why a build fails; start runs on builds."),
    "hook": ("ci.commands.hook", "Webhooks that order builds: signed, bounded, never twice."),
    "presubmit": ("ci.commands.presubmit", "Test work that is not pushed yet, here or in the lab."),
    "jenkins": ("ci.commands.jenkins", "Jenkins: jobs from plans, orders followed, checks."),
    "stress": ("ci.commands.stress", "Loop guests on a connection."),
    "crash": ("ci.commands.crash", "Explain crashes: name them, show them, group them by bug."),
    "parity": ("ci.commands.parity", "Show which libvirt call works on which driver."),
    "bisect": ("ci.commands.bisect", "Find the build that brought a failure of now and then."),
    "tck": ("ci.commands.tck", "Test the libvirt API on a connection."),
}
"""Name of a command: its module, which has ``app``, and the line that ``--help`` shows."""
