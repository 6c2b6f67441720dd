# make demo   a learned policy swings a double cart-pole up, over ROS 2
# make test   what has to hold before a commit
# The first use makes .venv; PYTHON=python3.12 chooses its interpreter.

VENV := .venv
INSTALLED_FROM := setup.py setup.cfg pyproject.toml package.xml requirements/lock.txt requirements/venv.sh \
	$(wildcard executables/*)

.PHONY: help demo test
help:
	@sed -n 's/^# //p' Makefile

demo: $(VENV)/demo.stamp
	$(VENV)/bin/gpc up double_cart_pole --planner policy

test: $(VENV)/test.stamp
	@.ci/run

$(VENV)/demo.stamp: $(INSTALLED_FROM)
	@PYTHON='$(PYTHON)' sh requirements/venv.sh policy,watch
	@touch $@

# What testing needs contains what the demo needs.
$(VENV)/test.stamp: $(INSTALLED_FROM)
	@PYTHON='$(PYTHON)' sh requirements/venv.sh test
	@touch $(VENV)/demo.stamp $@
