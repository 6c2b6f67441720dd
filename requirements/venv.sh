#!/bin/sh
# Makes or renews .venv in the current folder and installs the package, editable, with the locked requirements.
#   sh requirements/venv.sh [policy,watch|learning|test]      PYTHON=python3.12 chooses the interpreter
# Beside a sourced ROS 2 its own rclpy is used, and the numpy that its messages were compiled against.
set -eu
venv=.venv
extras=${1:-}

fail() {
    echo "$*" >&2
    exit 1
}

# No word is said by Pythons that are too old to run this, and none by the shims of version managers.
fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }
version() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || echo "not found"; }

sourced=
if [ -n "${ROS_DISTRO:-}" ] || # an activated environment with the wheels is none
    python3 -c 'import rclpy, sys; sys.exit(sys.prefix != sys.base_prefix)' 2>/dev/null; then sourced=yes; fi

python=
if [ -n "${PYTHON:-}" ]; then
    fits "$PYTHON" || fail "PYTHON=$PYTHON is $(version "$PYTHON"); gpc_ros needs Python 3.11, 3.12 or 3.13."
    python=$PYTHON
elif [ -n "$sourced" ]; then
    fits python3 || fail "ROS 2 ${ROS_DISTRO:-} runs on Python $(version python3); gpc_ros needs 3.11, 3.12 or 3.13. Use an
unsourced shell, where ROS 2 comes as wheels, or name another interpreter: make PYTHON=/path/to/python3.12"
    python=python3
else
    for candidate in python3.13 python3.12 python3.11 python3 python; do
        if fits "$candidate"; then
            python=$candidate
            break
        fi
    done
    [ -n "$python" ] || fail "gpc_ros needs Python 3.11, 3.12 or 3.13; python3 here is $(version python3).
Install one (Debian, Ubuntu: sudo apt install python3.12-venv), or name one: make PYTHON=/path/to/python3.12"
fi
[ -z "$sourced" ] || "$python" -c 'import rclpy' 2>/dev/null || fail "$python cannot import the rclpy of ROS 2 ${ROS_DISTRO:-}.
Name the Python that it was built for (make PYTHON=/usr/bin/python3), or use an unsourced shell."
"$python" -c 'import ensurepip, venv' 2>/dev/null || fail "Python $(version "$python") lacks its venv module.
Install it (Debian, Ubuntu: sudo apt install python$(version "$python")-venv), then run make again."

system=false
[ -z "$sourced" ] || system=true
if [ "$(version $venv/bin/python)" != "$(version "$python")" ] ||
    ! $venv/bin/python -c 'import pip' 2>/dev/null ||
    ! grep -q "^include-system-site-packages = $system" $venv/pyvenv.cfg; then
    echo "Making $venv with Python $(version "$python")."
    if [ -n "$sourced" ]; then
        "$python" -m venv --clear --system-site-packages $venv
    else
        "$python" -m venv --clear $venv
    fi
fi

lock=requirements/lock.txt
if [ -n "$sourced" ]; then
    echo "ROS 2 ${ROS_DISTRO:-} is sourced: using its rclpy."
    lock=$venv/constraints.txt
    "$python" -c 'import numpy; print("numpy==" + numpy.__version__)' >$lock 2>/dev/null || : >$lock
elif [ "$(uname -sm)" = "Linux x86_64" ]; then
    extras="ros${extras:+,$extras}"
else
    echo "No wheels of ROS 2 for $(uname -sm): installing without it. 'gpc eval' and 'gpc train' work; 'gpc up' needs a ROS 2."
fi
echo "Installing gpc_ros${extras:+[$extras]} into $venv (some minutes the first time)."
$venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint $lock --editable ".${extras:+[$extras]}" ||
    fail "The installation failed; pip says why above. Nothing else was changed: mend it and run make again."
