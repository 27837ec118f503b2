"""The Python steps of `flights.yaml`: each is a function that reads files, writes one, and returns a few figures."""
