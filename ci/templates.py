"""Text from templates; the only importer of jinja2. A missing value is an error, never empty."""

from __future__ import annotations

from functools import cache

import jinja2

from ci.errors import UsageError

MARKUP = ("xml", "html", "xml.j2", "html.j2")


def render(package: str, name: str, /, **values: object) -> str:
    """The template ``name`` of ``package``'s folder ``templates``, filled with ``values``.

    In ``.xml`` and ``.html`` templates every value is escaped. Raises UsageError, naming template
    and value, when the template uses something that was not given.
    """
    try:
        return _environment(package).get_template(name).render(values)
    except jinja2.UndefinedError as error:
        raise UsageError(f"template {package}/{name}: {error.message}") from None


@cache
def _environment(package: str) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader(package, "templates"),
        undefined=jinja2.StrictUndefined,
        autoescape=jinja2.select_autoescape(MARKUP, default_for_string=False),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
