"""viser: an extra, which all but the page do without. Where it is missing, one line says what to do."""

from gpc_ros.errors import GpcError

try:
    import viser
    from viser import infra
except ImportError as error:
    raise GpcError(f"the page needs {error.name}: python3 -m pip install 'gpc_ros[watch]'") from None

__all__ = ["infra", "viser"]
