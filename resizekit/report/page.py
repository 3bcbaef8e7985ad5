"""Render the report: templates, styles and scripts become one HTML file that loads nothing else.

The content security policy of the page allows only its own style sheet and its own script, by their digests.
"""

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files

from resizekit.errors import MissingExtraError
from resizekit.report.cases import Case
from resizekit.report.checks import TOLERANCE, checks
from resizekit.report.folders import RoundtripView
from resizekit.report.gains import Gain, strips
from resizekit.report.rate import Rate
from resizekit.report.sweep import Tradeoff
from resizekit.report.tables import bicubic_column, sections, tables, tally
from resizekit.suites.results import ColumnResult, Results

__all__ = ["Contents", "check_jinja", "render_page"]

_SCRIPTS = "theme.js", "view.js", "errors.js", "browser.js"


@dataclass(frozen=True, kw_only=True)
class Contents:
    """The content of a page. Empty parts are left out; missing pictures are replaced by a hint."""

    results: Results
    column: ColumnResult | None = None
    """The column whose pictures are shown."""
    gains: Sequence[Gain] = ()
    cases: Sequence[Case] = ()
    sweep: Tradeoff | None = None
    rate: Rate | None = None
    pyramids: Sequence[Sequence[RoundtripView]] = field(default=())
    roundtrips: Sequence[RoundtripView] = ()


def check_jinja() -> None:
    """Raise `MissingExtraError` if Jinja2 is not installed."""
    try:
        import jinja2  # noqa: F401
    except ImportError:
        raise MissingExtraError('a report needs jinja2: pip install "resizekit[report]"') from None


def render_page(contents: Contents) -> str:
    """Render the page as HTML. All text from files is escaped.

    Args:
        contents: What the page shows.

    Returns:
        The HTML text.

    Raises:
        MissingExtraError: If Jinja2 is not installed.
    """
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
        tolerance=TOLERANCE,
        bicubic=any(bicubic_column(results, factor) for factor in factors),
        strips=strips(contents.gains) if contents.gains else None,
    )
    return html


def _signed(value: float) -> str:
    """Format a difference in dB. A difference that rounds to zero has no sign."""
    rounded = round(value, 2)
    return f"{rounded:+.2f}".replace("-", "\N{MINUS SIGN}") if rounded else "0.00"


def _asset(name: str) -> str:
    return (files("resizekit.report") / "templates" / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
