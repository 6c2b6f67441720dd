"""docs/your_robot.md holds the files of the example to the letter, so that what is read there is what is tested."""

from __future__ import annotations

import re

import outside

PAGE = outside.FURUTA.parents[2] / "docs" / "your_robot.md"
FILE = re.compile(r"^`([\w./]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_page_has_all_files_and_as_they_are() -> None:
    shown = dict(FILE.findall(PAGE.read_text()))
    files = (file for file in outside.FURUTA.rglob("*") if file.suffix in (".py", ".toml", ".yaml", ".xml"))
    assert shown == {str(file.relative_to(outside.FURUTA)): file.read_text() for file in files}
