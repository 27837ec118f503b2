"""pipectl runs pipelines declared in one YAML file, in parallel on this machine, and resumes what was interrupted."""

__version__ = "0.1.0"
