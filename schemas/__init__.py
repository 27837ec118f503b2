"""The JSON Schemas that ship with pipectl."""
