"""Sphinx configuration: ``sphinx-build -W --keep-going docs docs/_build/html``.

fastconv must be installed; the reference is made from its docstrings.
"""

import sys
import urllib.request
from pathlib import Path

from docutils.nodes import SkipNode
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.errors import ExtensionError

try:
    import fastconv
except ImportError as error:
    raise ExtensionError(f"these pages are made from the installed package: {error}") from None

sys.path.insert(0, str(Path(__file__).parent))

import from_sources
import gallery

project = "fastconv"
author = "The fastconv developers"
copyright = "The fastconv developers"
version = release = fastconv.__version__

extensions = [
    "matplotlib.sphinxext.plot_directive",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "tutorials"]
from_sources.write(Path(__file__).parent / "generated")
default_role = "autolink"
nitpicky = True
# Types and names in docstrings that are words, not objects.
nitpick_ignore_regex = [("py:.*", r"(?!fastconv\b).*")]

autosummary_generate = True
numpydoc_show_class_members = False
numpydoc_validation_checks = {
    "all",
    "ES01",  # no extended summary: the summary may say it all
    "EX01",  # no example: every function has one, which the test suite runs; methods need none
    "PR03",  # order: arguments that go together are described together
    "PR04",  # no type: of arguments that are described as those of another function
    "PR08",  # a capital letter: descriptions may continue the name, "dtype of the result"
    "SA04",  # a function named in "See Also" without a description
    "YD01",  # no "Yields": context managers of this package yield nothing
}
# Made by functions, not by their constructors.
numpydoc_validation_exclude = {r"\.(Q?ConvPlan|ConvStream|PoolStream)($|\.)"}

# ---- other projects' references, as far as they can be reached ------------------------------


def _reachable(url):
    try:
        urllib.request.urlopen(f"{url}objects.inv", timeout=3).close()
    except OSError:
        return False
    return True


intersphinx_mapping = {
    name: (url, None)
    for name, url in {
        "python": "https://docs.python.org/3/",
        "numpy": "https://numpy.org/doc/stable/",
        "scipy": "https://docs.scipy.org/doc/scipy/",
    }.items()
    if _reachable(url)
}

# ---- figures --------------------------------------------------------------------------------

plot_formats = [("png", 144)]
plot_html_show_source_link = False
plot_html_show_formats = False
plot_rcparams = gallery.RCPARAMS
plot_apply_rcparams = True  # also where the code stands in a file

# ---- tutorials: programs that run, and what they print and draw ------------------------------

sphinx_gallery_conf = {
    "examples_dirs": "tutorials",
    "gallery_dirs": "generated/tutorials",
    "filename_pattern": r"\.py$",
    "subsection_order": "gallery.by_section",
    "within_subsection_order": "gallery.by_order",
    "reset_modules": ("gallery.fresh",),
    "image_srcset": ["2x"],
    "matplotlib_animations": False,
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
    "min_reported_time": 3600,  # they are those of a machine that does other things as well
    "capture_repr": (),
    "remove_config_comments": True,
    "backreferences_dir": None,
}

# ---- HTML -----------------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = f"fastconv {version}"
html_static_path = ["_static"]
html_css_files = ["fastconv.css"]
html_favicon = "_static/favicon.svg"
html_copy_source = False
html_show_sourcelink = False
html_math_renderer = "mathml"
html_theme_options = {
    "logo": {
        "image_light": "_static/logo.svg",
        "image_dark": "_static/logo-dark.svg",
        "alt_text": "fastconv",
    },
    "navbar_align": "left",
    "navbar_end": ["version", "theme-switcher"],
    "show_toc_level": 2,
    "show_prev_next": True,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {
    "index": [],
    "quickstart": [],
    "conventions": [],
    "precision": [],
    "threads": [],
    "command-line": [],
    "networks": [],
    "faq": [],
    "scipy": [],
    "opencv": [],
    "pytorch": [],
    "keras": [],
    "integers": [],
    "streams": [],
    "larger-than-memory": [],
    "performance": [],
    "promises": [],
}


def _inline_math(translator, node):
    translator.body.append(tex2mathml(node.astext()))
    raise SkipNode


def _block_math(translator, node):
    formula = tex2mathml(node.astext()).replace("<math ", '<math display="block" ', 1)
    translator.body.append(f'<div class="formula">{formula}</div>\n')
    raise SkipNode


def setup(app):
    """Formulas as MathML, which browsers draw without a script from elsewhere."""
    app.add_html_math_renderer(
        "mathml", inline_renderers=(_inline_math, None), block_renderers=(_block_math, None)
    )
    return {"parallel_read_safe": True, "parallel_write_safe": True}
