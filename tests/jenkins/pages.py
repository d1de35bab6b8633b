# ruff: noqa: RUF001 - typographic dashes and quotes are what the controller really sends
"""The pages a controller answers errors with, as recorded, without their 100 kB of decoration."""

from __future__ import annotations

STARTING = (
    '<!DOCTYPE html><html lang="en"><head><title>Starting Jenkins</title></head><body>'
    '<div class="app-jenkins-booting"><h1 class="loading"><p class="jenkins-spinner">Jenkins is '
    'getting ready to work</h1><p class="restarting">Your browser will reload automatically when '
    "Jenkins is ready.</div></body></html>"
)
ANONYMOUS = (
    "<html><head><meta http-equiv='refresh' content='1;url=/login?from=%2F'/></head>"
    "<body style='background-color:white; color:white;'>\nAuthentication required\n<!--\n-->\n"
    "</body></html>" + " " * 300
)
UNAUTHORIZED = (
    '<!doctype html><html lang="en"><head><title>HTTP Status 401 – Unauthorized</title></head>'
    "<body><h1>HTTP Status 401 – Unauthorized</h1><p><b>Type</b> Status Report</p>"
    "<p><b>Message</b> Unauthorized</p></body></html>"
)


def message(status: int, text: str) -> str:
    """A page of the servlet container."""
    return (
        f"<!doctype html><html><head><title>HTTP Status {status}</title></head><body>"
        f"<h1>HTTP Status {status}</h1><p><b>Type</b> Status Report</p>"
        f"<p><b>Message</b> {text}</p></body></html>"
    )


def jenkins(text: str) -> str:
    """A page of Jenkins itself, its text between the two marks."""
    return (
        "\n\n<!DOCTYPE html><html><head><title>Jenkins</title></head><body><svg></svg><!--\n"
        f"start of main content ⇒\n-->{text}<!--\n⇐ end of main content\n--><footer>"
        '<button class="jenkins_ver">Jenkins 2.516.2</button></footer></body></html>'
    )


NOT_FOUND = jenkins("<h1>Oops!</h1><p>This page may not exist, or you may not have permission")
SERVER_ERROR = jenkins(
    "<h2>A problem occurred while processing the request</h2><p>"
    "Logging ID=fcd8fa5c-3124-4581-8a5a-513da44c78d6</div>"
)
EXISTS = "<h1>Error</h1><p>A job already exists with the name ‘{}’"
