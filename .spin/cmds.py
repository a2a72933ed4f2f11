"""The project's own commands for spin. `spin --help` lists them, with those that spin brings.

Python runs with -P: the repository's root, where the uncompiled package lies, stays off its path.
"""

import click
from spin import util
from spin.cmds import meson

CLI = "import sys; from fastconv.cli import main; sys.exit(main())"


def _python(context, *arguments, build=True, build_dir="build"):
    """Build, then run Python on the build in place of this process."""
    context.invoke(meson.python, python_args=arguments, build=build, build_dir=build_dir)


@click.command()
@click.argument("arguments", nargs=-1)
@meson.build_option
@meson.build_dir_option
@click.pass_context
def test(context, *, arguments, build, build_dir):
    """Run the test suite; what follows -- goes to pytest."""
    _python(context, "-m", "pytest", *arguments, build=build, build_dir=build_dir)


@click.command()
@click.argument("arguments", nargs=-1)
@meson.build_option
@meson.build_dir_option
@click.pass_context
def docs(context, *, arguments, build, build_dir):
    """Make the documentation, with warnings as errors, in docs/_build/html."""
    sphinx = ("-m", "sphinx", "-W", "--keep-going", *arguments, "docs", "docs/_build/html")
    _python(context, *sphinx, build=build, build_dir=build_dir)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1)
@meson.build_option
@meson.build_dir_option
@click.pass_context
def cli(context, *, arguments, build, build_dir):
    """Run the command fastconv from the build: spin cli selftest."""
    _python(context, "-c", CLI, *arguments, build=build, build_dir=build_dir)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1)
@meson.build_option
@meson.build_dir_option
@click.pass_context
def bench(context, *, arguments, build, build_dir):
    """Run fastconv bench from the build: spin bench --quick."""
    _python(context, "-c", CLI, "bench", *arguments, build=build, build_dir=build_dir)


@click.command()
def lint():
    """Check style (ruff, cython-lint) and types (mypy); the suite checks the stubs."""
    for command in ("ruff check .", "cython-lint fastconv", "mypy"):
        util.run(command.split())
