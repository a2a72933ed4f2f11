"""The source files of the package, for meson.build: a line "folder kind name" each."""
from pathlib import Path

PACKAGE = Path(__file__).parent
INSTALLED = {".py", ".pyi", ".typed"}


def main():
    for path in sorted(PACKAGE.rglob("*")):
        folder = path.parent.relative_to(PACKAGE).as_posix()
        if path.suffix == ".pyx":
            print(folder, "compiled", path.stem)
        elif path.suffix in INSTALLED and path.name != Path(__file__).name:
            print(folder, "plain", path.name)


main()
