"""The commands: a module for each, named after it, and what they share."""
