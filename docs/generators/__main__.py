"""Reference pages made from the program itself, so that they cannot say something else than it does."""

import importlib
import pathlib
import sys

GENERATORS = pathlib.Path(__file__).parent
PAGES = GENERATORS.parent / "reference"


def main(check: bool) -> int:
    """Write the pages that changed, or name them."""
    changed = []
    for generator in sorted(GENERATORS.glob("[!_]*.py")):
        page = PAGES / f"{generator.stem.replace('_', '-')}.md"
        text = importlib.import_module(f"generators.{generator.stem}").page()
        if not page.exists() or page.read_text() != text:
            changed.append(page.name)
            if not check:
                page.write_text(text)
    if changed:
        print(f"{'out of date, run docs/generate' if check else 'written'}: {', '.join(changed)}")
    return 1 if check and changed else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
