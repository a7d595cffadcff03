"""References in pages, docstrings and comments: files, modules with their members, and names of the code.

The functions take the root of a tree, so that a test can plant a breach.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.support.language import sentences, sources

_FILE = re.compile(r"(?<![\w/.<-])((?:[\w.-]+/)+[\w.-]*\w\.(?:py|md|conf|toml|yml|in|txt|html))(?![\w/])")
_NAME = re.compile(r"`([A-Za-z]\w*_\w+|[A-Z][a-z]+[A-Z]\w+)(?:\(\))?`")
_IMPORT = re.compile(r"^(?:    )*from ([\w.]+) import ([\w, ]+)$", re.MULTILINE)
_CODE = ("*.py", "*.html", "*.js", "*.conf", "Makefile", ".env.example")


def pages(root: Path) -> list[tuple[str, str]]:
    """Return path and text of each page."""
    paths = [*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob(".github/**/*.md")]
    return [(path.relative_to(root).as_posix(), path.read_text()) for path in sorted(paths)]


def _texts(root: Path) -> Iterator[tuple[str, str]]:
    """Yield path and text of each page, docstring and comment."""
    yield from pages(root)
    yield from ((f"{path}:{line}", sentence) for path, line, sentence in sentences(root))


@cache
def _packages(root: Path) -> tuple[str, ...]:
    return tuple(path.parent.name for path in sorted(root.glob("*/__init__.py")))


@cache
def _members(path: Path) -> dict[str, ast.AST]:
    """Return the members of a module by name: what it defines, assigns and imports."""
    return dict(_members_of(ast.parse(path.read_text()).body))


def _members_of(body: list[ast.stmt]) -> Iterator[tuple[str, ast.AST]]:
    for node in body:
        match node:
            case ast.ClassDef() | ast.FunctionDef():
                yield node.name, node
            case ast.Assign():
                yield from (
                    (name.id, node)
                    for target in node.targets
                    for name in ast.walk(target)
                    if isinstance(name, ast.Name)
                )
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name, node
            case ast.Import() | ast.ImportFrom():
                yield from ((alias.asname or alias.name, node) for alias in node.names)


def _exists(root: Path, dotted: str) -> bool:
    """Return whether a dotted name is a package, a module, or a member of a module or of its class."""
    folder, parts = root, dotted.split(".")
    while parts and (folder / parts[0]).is_dir():
        folder = folder / parts.pop(0)
    module = folder / f"{parts[0]}.py" if parts else folder
    if parts and module.exists():
        parts.pop(0)
    else:
        module = folder / "__init__.py"
    if not parts:
        return True
    member = _members(module).get(parts[0]) if module.exists() else None
    if isinstance(member, ast.ClassDef) and len(parts) > 1:
        return parts[1] in dict(_members_of(member.body))
    return member is not None


@cache
def _models(root: Path) -> set[tuple[str, str]]:
    """Return (app, class) of each model, in lower case as in labels (`accounts.user`) and tables (`accounts_user`)."""
    return {
        (path.split("/")[0], node.name.lower())
        for path, tree, _ in sources(root)
        if path.split("/")[1:2] in (["models"], ["models.py"])
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }


def missing_files(root: Path) -> list[str]:
    """Return the named files that exist neither from the root, nor from the folder of the page, nor in `tests`."""
    return [
        f"{place}: {name}"
        for place, text in _texts(root)
        for name in _FILE.findall(re.sub(r"https?://\S+", "", text))
        if not any(
            (folder / name).exists() for folder in (root, (root / place.partition(":")[0]).parent, root / "tests")
        )
    ]


def missing_members(root: Path) -> list[str]:
    """Return the dotted names of our packages that name no module, no member of one and no model."""
    dotted = re.compile(rf"(?<![\w/.@-])((?:{'|'.join(_packages(root))})(?:\.[A-Za-z_]\w*)+)(?![\w/])")
    found = [(place, name.removesuffix(".py")) for place, text in _texts(root) for name in dotted.findall(text)]
    found += [
        (place, f"{module}.{name.strip()}")
        for place, text in pages(root)
        for module, names in _IMPORT.findall(text)
        if module.split(".")[0] in _packages(root)
        for name in names.split(",")
    ]
    models = {".".join(model) for model in _models(root)}
    return [f"{place}: {name}" for place, name in found if name.lower() not in models and not _exists(root, name)]


def missing_names(root: Path) -> list[str]:
    """Return the names between back-ticks of pages that occur nowhere in the code, in whatever case."""
    files = {path for pattern in _CODE for path in root.glob(pattern)}
    files |= {path for pattern in _CODE for folder in root.glob("[a-z]*/") for path in folder.rglob(pattern)}
    known = set(re.findall(r"\w+", "\n".join(path.read_text() for path in sorted(files)).lower()))
    known |= {"_".join(model) for model in _models(root)}
    return [
        f"{place}: {name}"
        for place, text in pages(root)
        for name in _NAME.findall(text)
        if name.lower() not in known
    ]
