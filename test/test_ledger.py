"""Results of long evaluations: kept, found again, and what is no ledger refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from gpc_ros.errors import GpcError
from gpc_ros.ledger import Key, Ledger


def square(key: Key) -> int:
    if key["x"] > 2:
        raise KeyboardInterrupt
    return key["x"] ** 2


def unknown(key: Key) -> int:
    raise AssertionError(key)


def keys(count: int) -> list[Key]:
    return [{"x": x, "of": "square"} for x in range(count)]


def test_what_is_known_is_not_computed_again(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "results.json"
    with pytest.raises(KeyboardInterrupt):
        Ledger(file).results(square, keys(5))
    assert Ledger(file).results(unknown, keys(3)) == [0, 1, 4]
    assert Ledger(file).results(unknown, [{"of": "square", "x": 2}]) == [4], "the order of names is of no account"


def test_another_version_computes_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Ledger(tmp_path / "results.json").results(square, keys(2))
    monkeypatch.setattr("gpc_ros.__version__", "99.0")
    with pytest.raises(AssertionError):
        Ledger(tmp_path / "results.json").results(unknown, keys(2))


def test_processes_change_nothing(tmp_path: Path) -> None:
    assert Ledger(tmp_path / "a.json").results(square, keys(3), 2) == Ledger(None).results(square, keys(3))


def test_what_is_kept_is_replaced_and_found_again(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "results.json")
    ledger.keep({"x": 1}, {"failed": "for want of memory"})
    ledger.keep({"x": 1}, {"success": 0.5})
    found = Ledger(tmp_path / "results.json")
    assert found.get({"x": 1}) == {"success": 0.5}
    assert found.get({"x": 2}) is None


@pytest.mark.parametrize("content", ["{", "3", '["a"]', '{"robot": "pendulum"}'])
def test_another_file_is_refused_and_left_alone(tmp_path: Path, content: str) -> None:
    file = tmp_path / "other.json"
    file.write_text(content)
    with pytest.raises(GpcError, match="not a file of results"):
        Ledger(file)
    assert file.read_text() == content


def test_a_folder_that_cannot_be_made_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GpcError, match=r"results\.json: "):
        Ledger(tmp_path / "file" / "results.json")
