"""Runs on disk: one SQLite file, its locks and logs."""
