"""Every attack of fixtures/hostile/ against every backend. See docs/security.md for what came of it."""
