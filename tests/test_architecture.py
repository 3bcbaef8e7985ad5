"""The shape of the house: every import goes down, the core names nobody, and the wheel holds what it should."""

import ast
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import resizekit
from resizekit.plugin.registry import installed

ROOT = Path(__file__).parents[1]
CORE = ROOT / "resizekit"
OUTSIDE = [ROOT / "plugins", ROOT / "kernels"]
SEPARATE = sorted(path.parent for path in ROOT.glob("weights/*/pyproject.toml"))
"""Folders of the distributions that hold weights only."""

FLOORS = {
    0: "errors",
    1: "spec system",
    2: "ops",
    3: "nn storage",
    4: "pictures",
    5: "codec",
    6: "losses",
    7: "plugin",
    8: "recipes",
    9: "images",
    10: "evaluation ray",
    11: "suites showcase training benchmarking exporting",
    12: "report testing",
    13: "cli",
    14: "__init__ __main__",
}
FLOOR = {name: floor for floor, names in FLOORS.items() for name in names.split()}

MODULES = sorted(CORE.rglob("*.py"))


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def room(module: str) -> str:
    """The module or folder right under the core that a module belongs to."""
    return module.split(".")[1] if "." in module else "__init__"


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node, imports inside functions included, those for the type checker only left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            yield from (inner for kept in node.orelse for inner in [kept, *statements(kept)])
        else:
            yield node
            yield from statements(node)


def imports(path: Path) -> Iterator[str]:
    """Names of the modules that a file imports, ours and others'."""
    for node in statements(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            assert node.module
            for alias in node.names:
                inner = ROOT / Path(*node.module.split("."), alias.name)
                is_module = inner.is_dir() or inner.with_suffix(".py").exists()
                yield f"{node.module}.{alias.name}" if is_module else node.module


def texts(path: Path) -> set[str]:
    """Every string in the code; of a docstring nothing equals a name."""
    return {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)} - {None}


def test_every_module_has_a_floor() -> None:
    assert {room(dotted(path)) for path in MODULES} == set(FLOOR)


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_every_import_goes_down(path: Path) -> None:
    here = room(dotted(path))
    for name in imports(path):
        there = room(name)
        if name.split(".")[0] != "resizekit":
            continue
        same_folder = here == there and (CORE / here).is_dir()
        assert same_folder or FLOOR[there] < FLOOR[here], f"{dotted(path)} imports {name}, which is not below it"


def test_no_circles_inside_a_folder_either() -> None:
    graph = {dotted(path): {name for name in imports(path) if name.startswith("resizekit.")} for path in MODULES}
    order = list(TopologicalSorter(graph).static_order())
    assert order.index("resizekit.errors") < order.index("resizekit.codec.codec") < order.index("resizekit.cli.app")


def test_the_reader_of_imports_sees_what_there_is() -> None:
    """These tests could pass by seeing nothing."""
    assert {"resizekit.plugin.hookspecs", "resizekit.ops", "pluggy", "typing"} <= set(
        imports(CORE / "plugin" / "hooks.py")
    )
    assert "accelerate" in set(imports(CORE / "training" / "accelerator.py")), "an import inside a function"
    ours = {name for name in imports(CORE / "__init__.py") if name.startswith("resizekit")}
    assert ours == {"resizekit.system.lazy", "resizekit.system.malloc"}, "all others only for type checkers"


def test_two_modules_name_a_higher_floor_to_import_it_later() -> None:
    """`Codec.from_pretrained` needs the loader, which builds codecs, and ops the kernels of the plugins."""
    naming = {}
    for path in MODULES:
        if room(dotted(path)) in ("__init__", "cli"):
            continue
        modules = {text for text in texts(path) if isinstance(text, str) and re.fullmatch(r"resizekit(\.\w+)+", text)}
        above = {text for text in modules if FLOOR.get(room(text), -1) > FLOOR[room(dotted(path))]}
        if above:
            naming[dotted(path)] = above
    assert naming == {
        "resizekit.codec.pretrained": {"resizekit.recipes.pretrained"},
        "resizekit.ops.kernel": {"resizekit.plugin.registry"},
    }


def test_the_core_imports_no_plugin_and_no_triton() -> None:
    for path in MODULES:
        heads = {name.split(".")[0] for name in imports(path)}
        assert not [head for head in heads if head == "triton" or head.startswith("resizekit_")], path
        assert "resizekit_sr" not in path.read_text(), path


def test_the_core_names_no_task_and_no_weights() -> None:
    """The command line may have a default: that is a choice of the product."""
    names = set(resizekit.tasks()) | set(installed().weights)
    assert {"sr", "tad-x2"} <= names
    naming = {dotted(path) for path in MODULES if names & texts(path)}
    assert naming == {"resizekit.cli.options"}


def test_no_device_is_named_below_the_choice_of_one() -> None:
    naming = {dotted(path) for path in MODULES if {"cuda", "mps", "xpu"} & texts(path)}
    assert {room(name) for name in naming if FLOOR[room(name)] < FLOOR["images"]} <= {"system"}


@pytest.mark.parametrize(
    "source",
    [path for folder in [*OUTSIDE, *SEPARATE] for path in sorted(folder.rglob("*.py"))],
    ids=lambda path: path.stem,
)
def test_plugins_and_kernels_know_the_core_and_not_each_other(source: Path) -> None:
    (package,) = (part for part in source.relative_to(ROOT).parts if part.startswith("resizekit_"))
    for name in imports(source):
        head = name.split(".")[0]
        assert head in (package, "resizekit") or not head.startswith("resizekit"), f"{source} imports {name}"


def test_plugins_and_kernels_are_folders_and_no_packages() -> None:
    for folder in [*OUTSIDE, *SEPARATE, ROOT / "weights"]:
        assert not (folder / "__init__.py").exists()
    assert (ROOT / "plugins" / "resizekit_sr" / "__init__.py").exists()


# --- what is loaded ----------------------------------------------------------------------------

HEAVY = {"torch", "triton", "numpy", "PIL", "resizekit_sr", "pydantic", "pluggy"}


def loaded_after(code: str) -> set[str]:
    code += "\nimport sys; print('\\n' + ' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return {name.split(".")[0] for name in done.stdout.splitlines()[-1].split()}


def test_importing_the_face_loads_nothing_heavy() -> None:
    loaded = loaded_after("import resizekit; assert 'Codec' in dir(resizekit)")
    assert "resizekit" in loaded
    assert not loaded & HEAVY


def test_help_loads_no_torch_and_no_plugin() -> None:
    loaded = loaded_after(
        "import sys, runpy\n"
        "sys.argv = ['resizekit', '--help']\n"
        "try: runpy.run_module('resizekit', run_name='__main__')\n"
        "except SystemExit as end: assert end.code in (0, None), end.code"
    )
    assert "typer" in loaded
    assert not loaded & {"torch", "triton", "resizekit_sr"}


def test_loading_weights_does_not_import_the_compiler() -> None:
    # some functions of torch import it on the meta device: a second, and 150 MB
    loaded = loaded_after("import resizekit\nfor name in resizekit.list_weights(): resizekit.load(name)")
    assert "resizekit_sr" in loaded
    assert not loaded & {"sympy", "triton"}


def test_every_name_of_the_face_is_there() -> None:
    assert resizekit.__all__ == sorted(resizekit.__all__)
    for name in resizekit.__all__:
        assert getattr(resizekit, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'sharpen'"):
        _ = resizekit.sharpen
    for_checkers = {
        alias.asname
        for node in ast.walk(ast.parse((CORE / "__init__.py").read_text()))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    assert for_checkers == set(resizekit.__all__), "what type checkers see and what is there differ"


# --- the wheel ---------------------------------------------------------------------------------


def build_wheel(source: Path, out: Path) -> list[str]:
    """Build a wheel, and return the list of its files."""
    options = ["--no-build-isolation", "--no-deps", "--no-index", "--quiet", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(out), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = out.glob("*.whl")
    return zipfile.ZipFile(built).namelist()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The file list of a wheel built from this tree."""
    return build_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


def test_the_wheel_holds_the_packages_side_by_side(wheel: list[str]) -> None:
    tops = {name.split("/")[0] for name in wheel if ".dist-info" not in name}
    packages = {folder.name for outside in OUTSIDE for folder in outside.glob("resizekit_*") if folder.is_dir()}
    assert "resizekit_sr" in packages
    assert tops == {"resizekit"} | packages


def test_the_wheel_holds_all_that_is_needed_and_nothing_else(wheel: list[str]) -> None:
    assert "resizekit/py.typed" in wheel
    assert {path.relative_to(ROOT).as_posix() for path in MODULES} <= set(wheel)
    templates = {path.relative_to(ROOT).as_posix() for path in (CORE / "report" / "templates").iterdir()}
    assert "resizekit/report/templates/page.html.jinja" in templates
    assert templates <= set(wheel)
    for folder in OUTSIDE:
        for path in folder.glob("resizekit_*/**/*"):
            if path.suffix in (".py", ".toml", ".md", ".json", ".safetensors"):
                assert path.relative_to(folder).as_posix() in wheel
    assert not [name for name in wheel if "__pycache__" in name or "tests/" in name]


@pytest.mark.parametrize("source", SEPARATE, ids=lambda path: path.name)
def test_a_wheel_of_weights_holds_its_package_only(source: Path, wheel: list[str], tmp_path: Path) -> None:
    names = {name for name in build_wheel(source, tmp_path) if ".dist-info" not in name}
    files = {path for path in source.glob("resizekit_*/**/*") if path.is_file() and "__pycache__" not in path.parts}
    assert names == {path.relative_to(source).as_posix() for path in files}
    weights = {Path(name).name for name in names if name.endswith(".safetensors")}
    assert weights
    assert not weights & {Path(name).name for name in wheel}, "each weights file is in one wheel"


# --- the page ----------------------------------------------------------------------------------

PAGE = ROOT / "docs" / "architecture.md"


def test_the_picture_of_the_floors_matches_the_code() -> None:
    lines = re.findall(r"^ ?(\d+)  (\S.*?)(?:   +(\S.*))?$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    picture = {int(floor): set(names.split()) for floor, names, _ in lines}
    assert picture == {floor: set(names.split()) for floor, names in FLOORS.items()}
    assert [int(floor) for floor, _, _ in lines] == sorted(FLOORS, reverse=True), "the top floor is the first line"
    assert all(meaning for _, _, meaning in lines), "each line says what is on the floor"


def test_the_table_of_imports_matches_the_code() -> None:
    table = re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    folders: dict[str, set[str]] = {name: set() for name in FLOOR}
    for path in MODULES:
        here = room(dotted(path))
        ours = {room(name) for name in imports(path) if name.split(".")[0] == "resizekit"}
        folders[here] |= ours - {here}
    expected = []
    for name in sorted(folders, key=lambda name: -FLOOR[name]):
        below = sorted(folders[name], key=lambda other: (-FLOOR[other], other))
        expected.append((name, ", ".join(f"`{other}`" for other in below) or "–"))
    rows = "\n".join(f"| `{name}` | {cell} |" for name, cell in expected)
    assert sorted(table) == sorted(expected), f"the rows of docs/architecture.md must be\n{rows}"


def test_no_module_is_over_350_lines() -> None:
    long = {dotted(path): n for path in MODULES if (n := len(path.read_text(encoding="utf-8").splitlines())) > 350}
    assert not long
