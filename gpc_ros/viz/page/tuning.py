"""Sliders, boxes and lists for parameters, kept in step with what the node really has."""

from __future__ import annotations

from typing import Any

from gpc_ros.viz.page.notices import refuse
from gpc_ros.viz.page.port import Port
from gpc_ros.viz.page.setter import Setter
from gpc_ros.viz.page.settings import Setting


class Control:
    """One parameter in viser's ``gui``: disabled while its node is not there."""

    def __init__(self, gui: Any, port: Port, setting: Setting) -> None:
        self._port = port
        self._setting = setting
        self._setter = Setter(port, setting.node, setting.name)
        self._handle = _add(gui, setting)
        self._handle.disabled = True
        self._handle.on_update(self._on_update)

    def _on_update(self, event: Any) -> None:
        if event.client is None:
            return  # it was us

        def refused(reason: str) -> None:
            refuse(event.client, f"{self._setting.label} stays", reason)
            self.refresh()

        self._setter.set(event.target.value, refused)

    def refresh(self) -> None:
        """Show what the node really has."""
        values = self._port.values(self._setting.node)
        self._handle.disabled = values is None
        value = (values or {}).get(self._setting.name)
        if value is None or self._setter.busy:
            return
        if not self._setting.choices and not isinstance(value, bool) and value > self._handle.max:
            self._handle.max = value
        self._handle.value = value


def _add(gui: Any, setting: Setting) -> Any:
    default = setting.default
    if isinstance(default, bool):
        return gui.add_checkbox(setting.label, default, hint=setting.hint)
    if setting.choices:
        return gui.add_dropdown(setting.label, setting.choices, initial_value=default, hint=setting.hint)
    low, high = setting.low, max(setting.high, default)
    return gui.add_slider(setting.label, low, high, setting.step, max(default, low), hint=setting.hint)
