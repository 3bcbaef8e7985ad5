"""Text files with a UTF-8 byte order mark, as some Windows editors write them, are read like files without it."""

import ast
import codecs
import json
from pathlib import Path

import pytest

from resizekit import weights_from_folder
from resizekit.evaluation.untrusted_json import read_untrusted
from resizekit.recipes.config import read_toml
from resizekit.showcase.metrics_file import read_record
from resizekit.suites.cache import Cache

ROOT = Path(__file__).parents[2]


def add_mark(path: Path) -> None:
    path.write_bytes(codecs.BOM_UTF8 + path.read_bytes())


def test_config_with_a_mark_equals_the_config_without(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('task = "sr"\n[train]\ndata = ["Fotos für später"]\n', encoding="utf-8")
    plain = read_toml(path)
    add_mark(path)
    assert read_toml(path) == plain
    assert plain.train.data == (tmp_path / "Fotos für später",)


def test_json_next_to_weights_may_have_a_mark(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").touch()
    (tmp_path / "a.json").write_text('{"digest": "0", "summary": "mine"}')
    add_mark(tmp_path / "a.json")
    assert weights_from_folder(tmp_path, ["a"])["a"].summary == "mine"


def test_json_of_users_may_have_a_mark(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_bytes(b"{}")
    add_mark(path)
    assert read_untrusted(path, 5, "a file") == b"{}"


def test_record_of_roundtrips_may_have_a_mark(tmp_path: Path) -> None:
    record = {"resizekit": "1", "original": "a.png", "digest": "0", "roundtrips": []}
    (tmp_path / "metrics.json").write_text(json.dumps(record))
    add_mark(tmp_path / "metrics.json")
    assert read_record(tmp_path).original == "a.png"


def test_cache_may_have_a_mark(tmp_path: Path) -> None:
    path = tmp_path / "cache.jsonl"
    Cache(path).put("a" * 64, {"high_y": 1.5})
    add_mark(path)
    assert Cache(path)["a" * 64] == {"high_y": 1.5}


@pytest.mark.parametrize("folder", ["resizekit", "plugins"])
def test_no_module_reads_text_without_accepting_a_mark(folder: str) -> None:
    """Templates of the package itself have no mark."""
    reading = {
        (path.relative_to(ROOT).as_posix(), ast.unparse(node))
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "read_text"
    }
    refusing = {path for path, call in reading if "encoding='utf-8-sig'" not in call}
    assert refusing == ({"resizekit/report/page.py"} if folder == "resizekit" else set())
