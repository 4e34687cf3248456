"""Data sets of takes: built, checked, split and curated, one whole version after another."""
