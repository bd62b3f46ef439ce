"""What the tree of folders promises: the direction of imports, the size of what is in a file."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = {"actors": {"supervision", "protocols"}, "supervision": set(), "protocols": set()}
MODULES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
SIZES = tomllib.loads(Path(__file__).with_name("sizes.toml").read_text(encoding="utf-8"))

every_module = pytest.mark.parametrize(
    "path", MODULES, ids=lambda path: str(path.relative_to(ROOT))
)


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_of(path: Path) -> list[str]:
    return list(path.parent.relative_to(ROOT).parts)


def imported(path: Path, nodes: Iterator[ast.AST]) -> Iterator[str]:
    """The absolute names that some nodes import; of `from a import b` both `a` and `a.b`."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = package_of(path)
            above = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            yield origin
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def run_at_import(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """The statements that run when a module is imported: none inside functions or type checks."""
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            yield from run_at_import(statement.orelse)
            continue
        yield statement
        for branch in ("body", "orelse", "finalbody"):
            yield from run_at_import(getattr(statement, branch, []))


def functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Every function with its name in its class, nested ones as well."""

    def walk(node: ast.AST, within: str) -> Iterator[tuple[str, ast.FunctionDef]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                name = f"{within}.{child.name}" if within else child.name
                if not isinstance(child, ast.ClassDef):
                    yield name, child
                yield from walk(child, name)
            else:
                yield from walk(child, within)

    return walk(tree, "")


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of a function's body, its docstring apart."""
    statements = function.body[1:] if ast.get_docstring(function) is not None else function.body
    if not statements:
        return 0
    return (statements[-1].end_lineno or 0) - statements[0].lineno + 1


@every_module
def test_a_room_imports_only_the_rooms_that_it_may(path: Path) -> None:
    room = package_of(path)[0]
    rooms = {name.partition(".")[0] for name in imported(path, ast.walk(parsed(path)))}
    assert rooms & ROOMS.keys() <= ROOMS[room] | {room}


@every_module
def test_the_anchor_imports_the_standard_library_and_itself_only(path: Path) -> None:
    if package_of(path)[:2] != ["supervision", "anchor"]:
        return
    for name in imported(path, ast.walk(parsed(path))):
        own = name in {"supervision", "supervision.anchor"} or name.startswith(
            "supervision.anchor."
        )
        assert own or name.partition(".")[0] in sys.stdlib_module_names, name


@pytest.mark.parametrize("room", ROOMS)
def test_no_module_of_a_room_imports_itself_through_others(room: str) -> None:
    inside = {module_name(path): path for path in MODULES if package_of(path)[0] == room}
    graph = {
        name: {
            other
            for other in imported(path, run_at_import(parsed(path).body))
            if other in inside and other != name and not name.startswith(f"{other}.")
        }
        for name, path in inside.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@every_module
def test_a_module_fits_on_few_screens(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= SIZES["module_lines"]


@every_module
def test_a_function_fits_on_one_screen(path: Path) -> None:
    exceptions = {entry["function"] for entry in SIZES["exception"]}
    for name, function in functions(parsed(path)):
        if f"{module_name(path)}.{name}" not in exceptions:
            assert body_lines(function) <= SIZES["function_lines"], f"{name} is too long"


def test_no_exception_of_size_is_stale() -> None:
    lengths = {
        f"{module_name(path)}.{name}": body_lines(function)
        for path in MODULES
        for name, function in functions(parsed(path))
    }
    for entry in SIZES["exception"]:
        assert lengths[entry["function"]] > SIZES["function_lines"], entry["function"]
