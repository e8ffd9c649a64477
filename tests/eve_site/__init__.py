"""Tests of eve_site/."""
