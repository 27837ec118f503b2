"""Pictures of a pipeline's graph: for a terminal, for tools that draw, and as SVG."""
