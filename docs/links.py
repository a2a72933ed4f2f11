"""Links of the site that lead nowhere: ``python docs/links.py docs/_build/html``.

Every address in the pages that is a file of the site, and every place in it, has to be there; the
exit status is 1 if one is not. Links to other sites are ``sphinx-build -b linkcheck``'s.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ADDRESSES = {"a": ("href",), "link": ("href",), "img": ("src", "srcset"), "script": ("src",)}


class Page(HTMLParser):
    """The places of a page (ids), and the addresses that stand in it, with their lines."""

    def __init__(self, path):
        super().__init__()
        self.places, self.addresses = set(), []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.places.update(given[name] for name in ("id", "name") if given.get(name))
        for name in ADDRESSES.get(tag, ()):
            for address in (given.get(name) or "").split(","):  # of srcset: "small.png, big.png 2x"
                if address.strip():
                    self.addresses.append((address.split()[0], self.getpos()[0]))


def leads_somewhere(address, path, pages):
    """Whether an address on the page of this path is another site's, or is there."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return True
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if target.is_dir():
        target /= "index.html"
    place = unquote(parts.fragment)
    return target.exists() and (not place or target not in pages or place in pages[target].places)


def main(site):
    """Print what leads nowhere; the exit status."""
    # In _static lie templates of the theme, which are no pages.
    pages = {path: Page(path) for path in sorted(site.resolve().rglob("*.html"))
             if "_static" not in path.parts}
    broken = [f"{path}:{line}: {address}" for path, page in pages.items()
              for address, line in page.addresses if not leads_somewhere(address, path, pages)]
    print(*broken, sep="\n", end="\n" if broken else "")
    count = sum(len(page.addresses) for page in pages.values())
    print(f"{count:,} links on {len(pages)} pages, {len(broken)} lead nowhere")
    return 1 if broken or not count else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
