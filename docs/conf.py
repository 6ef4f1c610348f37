"""The manual: Markdown pages and the reference of the Python interface."""

from __future__ import annotations

import spectype

project = "spectype"
author = "the spectype developers"
copyright = "the spectype developers"  # noqa: A001 (Sphinx's name)
release = version = spectype.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
]
exclude_patterns = ["_build"]
source_suffix = {".md": "markdown"}
myst_enable_extensions = ["deflist", "colon_fence"]
myst_heading_anchors = 3

autosummary_generate = False
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

html_theme = "furo"
html_title = f"spectype {release}"
html_show_sourcelink = False
html_show_sphinx = False
