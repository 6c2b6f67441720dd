"""Robot tasks: one file each, found by module name."""

NOT_LISTED = ("base",)
