"""How the docs site is built (`make docs`)."""

from __future__ import annotations

import os
import re
from importlib import metadata
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
LINK = re.compile(r"\]\(([^)\s]+)\)")
SHOWN = {
    "changelog": ROOT / "CHANGELOG.md",
    "contributing": ROOT / "CONTRIBUTING.md",
    "benchmarks": ROOT / "benchmarks/public/README.md",
    "benchmarks-results": ROOT / "benchmarks/public/results/README.md",
    "ladder": ROOT / "benchmarks/README.md",
    "ladder-results": ROOT / "benchmarks/results/README.md",
    "speed": ROOT / "benchmarks/results/speed.md",
    "rl-zoo3": ROOT / "examples/rl_zoo3/README.md",
}
"""Pages that show a file of the repository; what they hold is a link for GitHub."""

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
html_show_copyright = False
html_show_sphinx = False


def setup(app: Sphinx) -> None:
    """Show files of the repository as pages, and let links lead to pages."""
    app.connect("source-read", read_page)
    app.connect("autodoc-process-docstring", read_headings)
    app.connect("doctree-read", drop_widgets)


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
    """Put the file that a page shows in its place, and turn its links."""
    path = SHOWN.get(docname)
    folder = path.parent if path else DOCS
    text = path.read_text(encoding="utf-8") if path else source[0]
    source[0] = LINK.sub(lambda link: f"]({turned(link[1], folder)})", text)


def turned(target: str, folder: Path) -> str:
    """Return what a link says on the site, that stands in a file of a folder."""
    if target.startswith(("http", "#")):
        return target
    name, hash_sign, anchor = target.partition("#")
    path = (folder / name).resolve()
    pages = {file: f"{docname}.md" for docname, file in SHOWN.items()}
    return pages.get(path, os.path.relpath(path, DOCS)) + hash_sign + anchor
