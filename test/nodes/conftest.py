"""Imports of ROS 2 that warn of their own old ways, once and quietly; what follows is held to 'no warnings'."""

from __future__ import annotations

import contextlib
import warnings

with warnings.catch_warnings(), contextlib.suppress(ImportError):
    warnings.simplefilter("ignore", DeprecationWarning)
    import rosidl_generator_py  # noqa: F401
