"""Who may import whom (the architecture as a test)."""

import ast
from pathlib import Path
from types import FunctionType

import pytest

import losskit

HOME = Path(losskit.__file__).parent
FILES = {
    p.relative_to(HOME).with_suffix("").as_posix().replace("/", "."): p for p in sorted(HOME.rglob("*.py"))
}
FRAMEWORKS = {
    "torch",
    "jax",
    "sympy",
    "mpmath",
    "matplotlib",
    "sklearn",
    "scipy",
    "duckdb",
    "pandas",
    "pyarrow",
    "ray",
    "jinja2",
    "lightgbm",
    "xgboost",
    "typer",
    "rich",
}

# From the ground up: a module imports from its own level or from below.
LEVELS = [
    {"scalar", "errors", "domain", "about", "parameters", "reduction", "weight_files", "__init__"},
    {"rules", "registry"},
    {"loss"},
    {"structures"},
    {"losses", "engines", "numerics", "labels", "links"},
    {"catalogue", "facts", "laws", "checking", "explanation", "boosting", "torch", "jax"},
    {"pictures"},
    {"advisor", "scoring", "examining"},
    {"cli", "commands", "terminal", "__main__"},
]
LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names}
# Where an optional dependency may be imported at all: these modules are loaded only for what needs it.
MAY_IMPORT = {
    "sympy": {"engines.symbolic"},
    "mpmath": {"engines.symbolic", "laws", "checking"},
    "torch": {"engines.torch", "torch", "advisor"},
    "jax": {"engines.jax", "jax"},
    "matplotlib": {"pictures", "advisor"},
    "sklearn": {"advisor"},
    "scipy": {"advisor"},
    "duckdb": {"advisor", "scoring"},
    "pyarrow": {"scoring"},
    "ray": {"scoring"},
    "jinja2": {"advisor"},
    "lightgbm": {"advisor"},
    "xgboost": {"advisor"},
    "pandas": {"advisor"},
    "typer": {"cli", "commands"},
    "rich": {"cli", "commands", "terminal", "advisor"},
}


def imports(path):
    """(module, whether at import time) of every import that is not for type checkers alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    deferred = {id(n) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for n in ast.walk(f)}
    typing = {
        id(n)
        for i in ast.walk(tree)
        if isinstance(i, ast.If) and "TYPE_CHECKING" in ast.unparse(i.test)
        for n in ast.walk(i)
    }
    for node in ast.walk(tree):
        if id(node) in typing:
            continue
        if isinstance(node, ast.Import):
            yield from ((a.name, id(node) not in deferred) for a in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = (
                [f"{node.module}.{a.name}" for a in node.names]
                if node.module in ("losskit", "losskit.engines")
                else [node.module]
            )
            yield from ((n, id(node) not in deferred) for n in names)


def own(name):
    """losskit.engines.numba.pool as engines.numba.pool; the package itself as nothing."""
    return name.removeprefix("losskit").removeprefix(".")


@pytest.mark.parametrize("module", FILES)
def test_imports_go_downwards(module):
    top = module.split(".")[0]
    assert top in LEVEL, f"say in {__file__} how high {module} stands"
    for name, _ in imports(FILES[module]):
        if name.split(".")[0] != "losskit" or not own(name):
            continue
        below = own(name).split(".")[0]
        if top == "__init__" or LEVEL.get(below, 0) <= LEVEL[top]:
            continue
        pytest.fail(f"{module} imports {name}, which stands above it")


@pytest.mark.parametrize("module", [m for m in FILES if m.startswith(("losses.", "engines."))])
def test_losses_and_engines_do_not_know_each_other(module):
    names = {own(name) for name, _ in imports(FILES[module])}
    other = "engines" if module.startswith("losses.") else "losses"
    assert not [n for n in names if n.split(".")[0] == other]
    if module.startswith("losses."):
        assert not {n.split(".")[0] for n in names} & FRAMEWORKS
        assert "numpy" not in names, "a loss has no arrays"


@pytest.mark.parametrize("module", FILES)
def test_optional_dependencies_stay_where_they_are_used(module):
    for name, _ in imports(FILES[module]):
        package = name.split(".")[0]
        if package in FRAMEWORKS:
            homes = MAY_IMPORT[package]
            assert any(module == h or module.startswith(f"{h}.") for h in homes), f"{module} imports {name}"


def test_no_module_is_named_like_a_public_function():
    functions = {n for n in dir(losskit) if isinstance(getattr(losskit, n, None), FunctionType)}
    assert not functions & {m.split(".")[0] for m in FILES}


@pytest.mark.parametrize("module", FILES)
def test_files_stay_readable(module):
    assert len(FILES[module].read_text(encoding="utf-8").splitlines()) <= 400
