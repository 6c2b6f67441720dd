"""Planners behind one interface, one file each, and the executive that turns plans into commands."""

NOT_LISTED = ("base", "executive", "lead", "limits", "plan_log", "previous")
