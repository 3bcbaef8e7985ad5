"""Everything that is shown, put into one page: templates, styles and scripts become one file that asks for nothing.

The page itself forbids whatever is not in it: its policy names the digests of its one style sheet and its one script.
"""

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files

from resizekit.errors import MissingExtraError
from resizekit.report.cases import Case
from resizekit.report.checks import WITHIN, checks
from resizekit.report.folders import Shown
from resizekit.report.gains import Gain, strips
from resizekit.report.sweep import Tradeoff
from resizekit.report.tables import plain_column, sections, tables, tally
from resizekit.suites.results import ColumnResult, Results

__all__ = ["Contents", "check_jinja", "page"]

_SCRIPTS = "theme.js", "view.js", "errors.js", "browser.js"


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What a page shows beside the tables of its results; a part that is empty is told how to be had, or left out."""

    results: Results
    column: ColumnResult | None = None
    """The one that is looked at closely."""
    gains: Sequence[Gain] = ()
    cases: Sequence[Case] = ()
    sweep: Tradeoff | None = None
    ladders: Sequence[Sequence[Shown]] = field(default=())
    triptychs: Sequence[Shown] = ()


def check_jinja() -> None:
    """Raise `MissingExtraError` without Jinja2, before anything is computed."""
    try:
        import jinja2  # noqa: F401
    except ImportError:
        raise MissingExtraError('a report needs jinja2: pip install "resizekit[report]"') from None


def page(contents: Contents) -> str:
    """Write the page as HTML; whatever comes from files is escaped.  Errors as `check_jinja`."""
    check_jinja()
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    templates = Environment(
        loader=PackageLoader("resizekit.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["signed"] = _signed
    templates.filters["arrows"] = lambda label: label.replace("->", "→")
    style = _asset("page.css")
    script = "".join(_asset(name) for name in _SCRIPTS)
    results = contents.results
    factors = sorted({column.factor for column in results.columns})
    html: str = templates.get_template("page.html.jinja").render(
        style=Markup(style),
        script=Markup(script),
        style_digest=_digest(style),
        script_digest=_digest(script),
        contents=contents,
        results=results,
        sections=[(*pair, tables(results, *pair)) for pair in sections(results)],
        tally=tally(results),
        checks=checks(results),
        within=WITHIN,
        bicubic=any(plain_column(results, factor) for factor in factors),
        strips=strips(contents.gains) if contents.gains else None,
    )
    return html


def _signed(value: float) -> str:
    """A difference in dB; one that would be shown as nothing has no sign."""
    rounded = round(value, 2)
    return f"{rounded:+.2f}".replace("-", "\N{MINUS SIGN}") if rounded else "0.00"


def _asset(name: str) -> str:
    return (files("resizekit.report") / "templates" / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
