"""Leaving the graph: in order, and whatever the middleware does, in the end."""

from __future__ import annotations

import ctypes
import time

from gpc_ros.signals import NS_PER_S

PATIENCE_S = 2.0
_SIGEV_THREAD = 2


class _Event(ctypes.Structure):
    """``struct sigevent`` of glibc on 64 bits: a function that the C library calls in a thread of its own."""

    _fields_ = (
        ("value", ctypes.c_int),
        ("_of_pointers_size", ctypes.c_int),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("function", ctypes.c_void_p),
        ("attributes", ctypes.c_void_p),
        ("_reserved", ctypes.c_char * 32),
    )


class _Spec(ctypes.Structure):
    """``struct itimerspec``: both in seconds and nanoseconds."""

    _fields_ = (("interval", ctypes.c_long * 2), ("value", ctypes.c_long * 2))


def leave_within(seconds: float, code: int) -> None:
    """End the process with exit ``code`` if it still runs after ``seconds``.

    Fast DDS 3 waits for itself for ever where a participant leaves just while another one announces itself
    (eProsima/Fast-DDS#6502), and rclpy holds the interpreter's lock meanwhile: neither a thread nor a signal handler
    in Python would be heard. To be called when all has been said and saved.

    Raises:
        OSError: if the system gives no timer.
    """
    library = ctypes.CDLL(None, use_errno=True)
    end = ctypes.cast(library["_exit"], ctypes.c_void_p)
    event = _Event(value=code, notify=_SIGEV_THREAD, function=end)
    timer = ctypes.c_void_p()
    whole = int(seconds)
    spec = _Spec(value=(whole, int((seconds - whole) * NS_PER_S)))
    failed = library.timer_create(time.CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(timer))
    if failed or library.timer_settime(timer, 0, ctypes.byref(spec), None):
        raise OSError(ctypes.get_errno(), "no timer to end the process with")
