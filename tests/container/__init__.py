"""Gradescope's container, rebuilt from what is on this machine, for tests/test_gradescope_container.py.

No registry is needed: ``base_image`` bootstraps the machine's own distribution and imports it, ``gradescope``
does with a bundle what Gradescope does, ``engine`` talks to the container engine.
"""
