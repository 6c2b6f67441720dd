"""Update rules of sampling-based predictive control: one file each, found by module name."""

NOT_LISTED = ("base",)
