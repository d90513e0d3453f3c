"""How Sphinx makes the site: `make docs`.

Its source folder is the repository: a link between two pages leads to the same place on the site and in a
browser of the repository, and an address is a page's path. docs/index.md orders them. Nothing is fetched.
"""

import os

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # else it asks the network for a newer version when imported

from sphinx.application import Sphinx

from aukit import __version__

project = "aukit"
author = copyright = "The aukit authors"
release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "docs/index"
include_patterns = ["*.md", "aukit/**.md", "benchmarks/*.md", "docs/**.md", "lightning_logs/README.md"]
exclude_patterns = [".*", "build", "dist", "experiments", "lightning_logs/*/**", "tests", "wandb"]

myst_heading_anchors = 3
default_role = "py:obj"  # `name` in a docstring: a link where the site has it, else code
highlight_language = "bash"  # blocks of the pages are commands; those of another language name it

autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # attributes are described once, by their class
napoleon_attr_annotations = False  # its signature has their types

html_theme = "furo"
html_title = f"aukit {release}"
html_copy_source = False
templates_path = ["templates"]
html_additional_pages = {"index": "front.html"}  # leads to docs/index.html


def without_factories(*described: object) -> tuple[str, str] | None:
    """A signature that is Python: a dataclass has <factory> where it makes a default."""
    signature, returns = described[-2:]
    if isinstance(signature, str) and isinstance(returns, str | None):
        return signature.replace("<factory>", "..."), returns or ""
    return None


def without_types(app: Sphinx, what: str, name: str, it: object, options: object, lines: list[str]) -> None:
    """An attribute's text: Napoleon takes what is before its first colon for a type, so one comes first."""
    if what in ("attribute", "data", "property") and lines:
        lines[0] = f": {lines[0]}"


def setup(app: Sphinx) -> None:
    """Connect the above."""
    app.connect("autodoc-process-signature", without_factories)
    app.connect("autodoc-process-docstring", without_types, priority=400)  # before Napoleon, at 500
