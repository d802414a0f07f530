"""Sphinx's configuration. The pages are those that docs/pages.py has put together; `make docs` builds the site.

All that a browser needs is in the site: no font, no script and no style sheet comes over the network.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from pages import from_afar, read

project = html_title = "reactor"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_heading_anchors = 4
highlight_language = "text"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True
add_module_names = False
toc_object_entries_show_parents = "hide"

smartquotes = False

html_theme = "furo"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_favicon = "pictures/favicon.svg"
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
html_domain_indices = False

# What users are given and don't make: how it is made is nobody's to know.
GIVEN = {
    *(
        "Connection",
        "Connector",
        "DatagramEndpoint",
        "Handle",
        "Piece",
        "Server",
        "Timer",
        "loop.Watch",
        "protocol.Hold",
    ),
    *("aio.Adapter", "aio.Attached", "testing.SimHost", "testing.SimReactor", "testing.SimulationFailed"),
    *("testing.sim.EventLog", "testing.sim.Fault", "testing.sim.Link", "testing.sim.Way", "ConnectionTimeout"),
    *("FrameCorrupt", "FrameTooLarge", "FrameTruncated", "FramingError", "Transport", "DatagramTransport"),
}

_OURS = re.compile(r"(?<=[= ])_[A-Z][A-Z_]+\b")
_CODE = re.compile(r"(\w?`[^`]+`\w?)")
_MARK = re.compile(r"([*|\\]|(?<=\w)_(?!\w))")


def as_sphinx_has_it(_app: Any, _what: str, _name: str, _object: Any, _options: Any, lines: list[str]) -> None:
    """Turn the Markdown of a docstring into what Sphinx reads: code between two backticks, and no other marks."""
    text = "" if lines and lines[0].startswith("Alias for field number") else "\n".join(lines)
    parts = _CODE.split(text)
    parts = [literal(part) if at % 2 else _MARK.sub(r"\\\1", part) for at, part in enumerate(parts)]
    lines[:] = "".join(parts).split("\n")


def literal(code: str) -> str:
    """Put a second backtick around code, and nothing that is seen between it and a letter beside it."""
    before, inside, behind = code.split("`")
    return f"{before}{chr(92) + ' ' if before else ''}``{inside}``{chr(92) + ' ' if behind else ''}{behind}"


def as_a_reader_needs_it(
    _app: Any, _what: str, name: str, value: Any, _options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Leave out how it is made what users are given, and tell a default by its value where its name is ours alone."""
    if signature and name.removeprefix("reactor.") in GIVEN:
        return "", ""
    home = vars(sys.modules.get(getattr(value, "__module__", None) or "", sys))
    return signature and _OURS.sub(lambda found: repr(home.get(found[0], found[0])), signature), returns


def nothing_from_afar(app: Any, error: Exception | None) -> None:
    """Fail where a browser would fetch something from the network."""
    if error is None:
        site = Path(app.outdir)
        files = [path for path in sorted(site.rglob("*")) if path.suffix in (".html", ".css")]
        found = [f"{path.relative_to(site)}: {each}" for path in files for each in from_afar(read(path))]
        if found:
            raise RuntimeError("the site is not all here:\n" + "\n".join(found))


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", as_sphinx_has_it)
    app.connect("autodoc-process-signature", as_a_reader_needs_it)
    app.connect("build-finished", nothing_from_afar)
