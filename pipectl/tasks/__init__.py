"""Kinds of task: each turns a task into what to execute, and what came of it into an output."""
