"""How the docs site is built (`make docs`)."""

from __future__ import annotations

import os
import re
from importlib import metadata
from pathlib import Path
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
LINK = re.compile(r"\]\(([^)\s]+)\)")
SAID = re.compile(r"^The site shows \[.+?\]\((.+?)\) here\.$", re.M)
"""What stands in a page for a file of the repository, or for a section of one."""

SECTION = re.compile(r"^#+ (.+)\n((?:(?!#).*\n)*)", re.M)
SHOWN = {
    (DOCS / said[1]).resolve(): page.name
    for page in DOCS.glob("*.md")
    if (said := SAID.fullmatch(page.read_text(encoding="utf-8").strip()))
}
"""Files of the repository that a page shows whole."""

project = "oprl-gym"
author = "The oprl-gym maintainers"
project_copyright = "The oprl-gym maintainers"
release = metadata.version("oprl-gym")

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

# The notebook runs each time, so that what it shows is so.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_mime_priority_overrides = [
    ("html", "application/vnd.jupyter.widget-view+json", None)
]

# YAML with comments in line, and a shell's prompt, are no errors.
suppress_warnings = ["misc.highlighting_failure"]

# RLlib lives in an environment of its own (`make test-ray`).
autodoc_mock_imports = ["pyarrow", "ray"]
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_use_ivar = True

html_theme = "furo"
html_title = "oprl-gym"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_show_copyright = False
html_show_sphinx = False


def setup(app: Sphinx) -> None:
    """Show files of the repository as pages, and let links lead to pages."""
    app.add_html_math_renderer("mathml", (show_math, None), (show_math_block, None))
    app.connect("source-read", read_page)
    app.connect("autodoc-process-docstring", read_headings)
    app.connect("doctree-read", drop_widgets)


def show_math(page: HTML5Translator, node: nodes.math) -> None:
    """Write a formula as MathML, which needs no script of another host."""
    page.body.append(convert(node.astext()))
    raise nodes.SkipNode


def show_math_block(page: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula that has lines of its own."""
    formula = convert(node.astext(), display="block")
    page.body.append(f'<div class="math">{formula}</div>\n')
    raise nodes.SkipNode


def read_headings(app: Sphinx, *where: Any) -> None:
    """Read the Markdown headings that Gymnasium has in the docstrings of its envs."""
    lines: list[str] = where[-1]
    text = re.sub(r"^## (.+)$", r".. rubric:: \1\n", "\n".join(lines), flags=re.M)
    lines[:] = text.split("\n")


def drop_widgets(app: Sphinx, doctree: nodes.document) -> None:
    """Leave out what stands for a progress bar: on a page nothing moves it."""
    for block in list(doctree.findall(nodes.literal_block)):
        if block.astext().strip() == "Output()":
            block.parent.remove(block)


def read_page(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put what a page shows of other files in its place, and turn all links."""
    source[0] = with_turned_links(SAID.sub(shown, source[0]), DOCS)


def shown(said: re.Match[str]) -> str:
    """Return the file that a page shows, or what stands below one of its headings.

    Raises:
        KeyError: The file has no such heading.
    """
    name, _, anchor = said[1].partition("#")
    path = DOCS / name
    text = path.read_text(encoding="utf-8")
    if anchor:
        text = {slug(title): body for title, body in SECTION.findall(text)}[anchor]
    return with_turned_links(text, path.parent)


def slug(title: str) -> str:
    """Return what GitHub and MyST call a heading in a link."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def with_turned_links(text: str, folder: Path) -> str:
    """Return a text of a file in a folder with what its links say on the site."""
    return LINK.sub(lambda link: f"]({turned(link[1], folder)})", text)


def turned(target: str, folder: Path) -> str:
    """Return what a link says on the site, that stands in a file of a folder."""
    if target.startswith(("http", "#")):
        return target
    name, hash_sign, anchor = target.partition("#")
    path = (folder / name).resolve()
    return SHOWN.get(path, os.path.relpath(path, DOCS)) + hash_sign + anchor
