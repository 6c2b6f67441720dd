"""A process that has said all ends, even where the middleware never lets go of the interpreter."""

from __future__ import annotations

import subprocess
import sys

import pytest

HELD = "import ctypes; ctypes.PyDLL(None).pause()  # with the interpreter's lock: no Python runs any more"


@pytest.mark.parametrize("code", [0, 2])
def test_who_is_kept_in_the_middleware_ends_with_its_exit_code(code: int) -> None:
    program = f"from gpc_ros.nodes.leaving import leave_within; leave_within(0.3, {code}); {HELD}"
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == code


def test_who_ends_before_is_not_touched() -> None:
    program = "from gpc_ros.nodes.leaving import leave_within; leave_within(600.5, 3); raise SystemExit(4)"
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 4
